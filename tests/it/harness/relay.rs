//! A cable between the nodes of a cluster and NATS, which can be pulled.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The cable.
pub struct Relay {
    pub address: SocketAddr,
    pulled: watch::Sender<bool>,
}

impl Relay {
    /// Lays one to a server.
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (pulled, is_pulled) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (server, mut is_pulled) = (server.clone(), is_pulled.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        _ = is_pulled.wait_for(|pulled| *pulled) => {}
                        () = carry(near, &server) => {}
                    }
                });
            }
        });
        Self { address, pulled }
    }

    /// Pulls it: every connection breaks, and no new one comes about.
    pub fn pull(&self) {
        self.pulled.send_replace(true);
    }

    /// Plugs it in again.
    pub fn plug_in(&self) {
        self.pulled.send_replace(false);
    }
}

async fn carry(mut near: TcpStream, server: &str) {
    let mut far = TcpStream::connect(server).await.expect("NATS listens");
    copy_bidirectional(&mut near, &mut far).await.ok();
}
