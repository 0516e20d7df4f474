//! What stands between the server and a provider: fair, or in trouble for a while.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::plan::ProviderTrouble;

use super::listen;

/// What a provider says that wants no requests.
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A proxy to one provider, until it is dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    _stop: tokio_util::sync::DropGuard,
}

impl Upstream {
    /// Listens beside `target`, and sends on to `target` what comes, as far as the trouble allows. When that changes,
    /// every connection breaks.
    ///
    /// # Errors
    /// When no port can be had.
    pub(crate) async fn start(
        target: SocketAddr,
        trouble: watch::Receiver<Option<ProviderTrouble>>,
    ) -> Result<Self, Failure> {
        let (listener, address) = listen(target.ip()).await?;
        let stop = CancellationToken::new();
        let accepting = stop.clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut changes = trouble.clone();
                let now = *changes.borrow_and_update();
                tokio::spawn(accepting.clone().run_until_cancelled_owned(async move {
                    tokio::select! {
                        () = serve(client, target, now) => {}
                        _ = changes.changed() => {}
                    }
                }));
            }
        }));
        Ok(Self { address, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(mut client: TcpStream, target: SocketAddr, trouble: Option<ProviderTrouble>) {
    let _ = client.set_nodelay(true);
    match trouble {
        None => {
            if let Ok(mut server) = TcpStream::connect(target).await {
                let _ = server.set_nodelay(true);
                copy_bidirectional(&mut client, &mut server).await.ok();
            }
        }
        Some(ProviderTrouble::Down) => {}
        Some(ProviderTrouble::Refusing) => {
            if read_head(&mut client).await {
                client.write_all(REFUSAL).await.ok();
                client.shutdown().await.ok();
                // What is left of the body; closing on it would be a reset, and no answer.
                while matches!(client.read(&mut [0; 4096]).await, Ok(1..)) {}
            }
        }
        Some(ProviderTrouble::Cut) => {
            if let Ok(server) = TcpStream::connect(target).await {
                cut(client, server).await;
            }
        }
        Some(ProviderTrouble::Silent) => {
            while matches!(client.read(&mut [0; 4096]).await, Ok(1..)) {}
        }
    }
}

/// Reads to the end of a request's head; false when it does not come.
async fn read_head(client: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if !matches!(client.read_buf(&mut head).await, Ok(1..)) {
            return false;
        }
    }
    true
}

/// Lets the request arrive, and half of the first piece of the answer go back.
async fn cut(mut client: TcpStream, mut server: TcpStream) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = tokio::io::copy(&mut from_client, &mut to_server);
    let down = async {
        let mut answer = vec![0; 4096];
        if let Ok(count @ 1..) = from_server.read(&mut answer).await {
            to_client.write_all(&answer[..count / 2]).await.ok();
        }
    };
    tokio::select! {
        _ = up => {}
        () = down => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    /// What a client gets back through a proxy in this trouble, and what the provider got.
    async fn asked(trouble: Option<ProviderTrouble>) -> (Vec<u8>, Vec<u8>) {
        let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = provider.local_addr().unwrap();
        let (_sender, receiver) = watch::channel(trouble);
        let upstream = Upstream::start(target, receiver).await.unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = provider.accept().await.unwrap();
            let mut request = vec![0; REQUEST.len()];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(b"0123456789").await.unwrap();
            request
        });
        let mut client = TcpStream::connect(upstream.address()).await.unwrap();
        client.write_all(REQUEST).await.ok();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.ok();
        let reached = !matches!(trouble, Some(ProviderTrouble::Down | ProviderTrouble::Refusing));
        let request = if reached { served.await.unwrap() } else { Vec::new() };
        (answer, request)
    }

    #[tokio::test]
    async fn without_trouble_it_passes_on() {
        assert_eq!(asked(None).await, (b"0123456789".to_vec(), REQUEST.to_vec()));
    }

    #[tokio::test]
    async fn a_cut_comes_after_the_request_has_arrived() {
        let (answer, request) = asked(Some(ProviderTrouble::Cut)).await;
        assert_eq!((answer, request), (b"01234".to_vec(), REQUEST.to_vec()));
    }

    #[tokio::test]
    async fn a_provider_that_refuses_is_never_reached() {
        let (answer, request) = asked(Some(ProviderTrouble::Refusing)).await;
        assert!(answer.starts_with(b"HTTP/1.1 503") && request.is_empty());
    }

    #[tokio::test]
    async fn a_provider_that_is_down_says_nothing() {
        assert_eq!(asked(Some(ProviderTrouble::Down)).await, (Vec::new(), Vec::new()));
    }
}
