//! A provider on loopback that answers what it is told to, so that replies are read by the very
//! code that reads them in a server.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

/// The key of every client: it must not come back in words that people see.
pub const KEY: &str = "key-id-1234:key-secret-5678";

/// One answer, as it goes over the wire.
pub type Reply = Vec<u8>;

/// The provider of one thread.
#[derive(Debug)]
pub struct Stage {
    pub url: String,
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

impl Stage {
    /// Opens one. What is asked for a key set gets `keys`.
    pub fn open(keys: &'static str) -> Self {
        static PROVIDER: OnceLock<()> = OnceLock::new();
        // Another test may have done it.
        PROVIDER.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let replies = Arc::new(Mutex::new(VecDeque::new()));
        let script = Arc::clone(&replies);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let script = Arc::clone(&script);
                thread::spawn(move || serve(&socket, &script, keys));
            }
        });
        Self { url, replies }
    }

    /// What is answered from now on; the last one again and again.
    pub fn plan(&self, replies: impl IntoIterator<Item = Reply>) {
        *self.replies.lock().expect("nobody panics with it") = replies.into_iter().collect();
    }
}

/// An answer of HTTP/1.1; headers whose values no header can carry are left out.
pub fn reply(status: u16, headers: &[(&str, &[u8])], body: &[u8]) -> Reply {
    let mut reply =
        format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        if http::HeaderValue::from_bytes(value).is_ok_and(|value| !value.is_empty()) {
            reply.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
    }
    reply.extend_from_slice(b"\r\n");
    reply.extend_from_slice(body);
    reply
}

fn serve(socket: &TcpStream, script: &Mutex<VecDeque<Reply>>, keys: &str) {
    drop(socket.set_nodelay(true));
    let (mut from, mut to) = (BufReader::new(socket), socket);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if !from.read_line(&mut line).is_ok_and(|read| read > 0) {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        if from.read_exact(&mut body).is_err() {
            return;
        }
        let answer = if head.contains("/jwks.json") {
            reply(200, &[], keys.as_bytes())
        } else {
            let mut script = script.lock().expect("nobody panics with it");
            let next = script.pop_front().unwrap_or_else(|| reply(404, &[], b""));
            if script.is_empty() {
                script.push_back(next.clone());
            }
            next
        };
        if to.write_all(&answer).is_err() {
            return;
        }
    }
}
