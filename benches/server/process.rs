//! A server as a process of its own, as people run it, and the plainest client that can read it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// How the variables begin that the program reads.
const OURS: [&str; 7] =
    ["TAILWATER_", "OPENAI_", "REPLICATE_", "FAL_", "RUNWAYML_", "MINIMAX_", "BFL_"];

/// A running server, killed when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) child: Child,
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server on this data and waits until it listens; its log goes to `log`.
    pub(crate) fn start(data: &Path, more: &[&str], log: Stdio) -> Self {
        Self::start_with(data, &[&["--listen", "127.0.0.1:0"], more].concat(), &[], log)
    }

    /// The same with an address of its own to listen on, and with variables.
    pub(crate) fn start_with(
        data: &Path,
        more: &[&str],
        variables: &[(&str, &str)],
        log: Stdio,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
        for (name, _) in std::env::vars() {
            if OURS.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.args(["serve", "--data"]).arg(data).args(more).envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("it runs");
        let mut stdout = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its output can be read");
        let address = line.trim().strip_prefix("listening on http://").expect("it listens");
        Self { address: address.parse().expect("an address"), child, _stdout: stdout }
    }

    /// Stops the server in an orderly way and waits for it.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        self.child.wait().expect("it ends");
    }

    /// The CPU time of the process so far, in steps of 10 ms.
    pub(crate) fn cpu_time(&self) -> Duration {
        cpu_time_of(self.child.id())
    }

    /// A line of `/proc/PID/status`, in kB.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs, on Linux");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux says it");
        line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().expect("a number of kB")
    }

    /// Asks for something without waiting for the answer.
    pub(crate) fn get(&self, path: &str) -> TcpStream {
        send(self.address, "GET", path, "text/plain", b"")
    }

    /// Submits an external job; gives its id.
    pub(crate) fn submit(&self) -> String {
        let answer =
            post(self.address, "/api/jobs", "application/json", br#"{"kind": "external"}"#);
        answer["job_id"].as_str().expect("an id").to_owned()
    }

    /// Pushes lines of NDJSON to a job and waits until they are committed.
    pub(crate) fn push(&self, job: &str, lines: &[u8]) {
        let path = format!("/api/jobs/{job}/events?durable=true");
        post(self.address, &path, "application/x-ndjson", lines);
    }
}

/// The CPU time of a process so far, in steps of 10 ms.
pub(crate) fn cpu_time_of(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    let stat = stat.expect("it runs, on Linux");
    // Behind the name, which may hold blanks: state is field 3, utime and stime 14 and 15.
    let (_, fields) = stat.rsplit_once(')').expect("proc(5)");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * ticks)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to kill.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn send(address: SocketAddr, method: &str, path: &str, media_type: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("a TCP stream");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.write_all(body).expect("it reads");
    stream
}

/// The JSON of an answer.
pub(crate) fn receive(mut stream: TcpStream) -> Value {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    serde_json::from_str(body).expect("JSON with a length")
}

/// Gets something; gives the JSON of the answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> Value {
    receive(send(address, "GET", path, "text/plain", b""))
}

/// Posts something; gives the JSON of the answer.
pub(crate) fn post(address: SocketAddr, path: &str, media_type: &str, body: &[u8]) -> Value {
    receive(send(address, "POST", path, media_type, body))
}
