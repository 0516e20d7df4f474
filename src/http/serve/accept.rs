//! How connections come in: the port, and taking them from it whatever happens.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

/// How many connections may wait to be accepted: when a server comes back, all its readers come at
/// once. The system may hold fewer (`net.core.somaxconn`, 4096 on Linux).
pub(super) const BACKLOG: u32 = 4096;

/// How much of what was sent the system holds for a peer that has not taken it, in bytes; Linux
/// doubles it.
///
/// Left alone it grows to megabytes, and room in it is only told once a third is free: a peer that
/// takes 8 KB/s would look like one that takes nothing for minutes. This bounds what a slow reader
/// costs, and still fills a line of 5 MB/s at 100 ms.
const SEND_BUFFER: u32 = 256 << 10;

/// How long the accept loop rests when the process is out of file descriptors or memory.
const REST: Duration = Duration::from_millis(50);

/// Listens on an address; port 0 picks one.
///
/// # Errors
/// When the address is in use, or not ours to listen on.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that was just stopped leaves its port in TIME_WAIT. (On Windows the option would
    // let two servers share a port.)
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The next connection, however often accepting fails. `trouble` is whether it failed last time.
pub(super) async fn next<T>(
    mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    trouble: &mut bool,
) -> T {
    loop {
        match poll_fn(&mut accept).await {
            Ok(accepted) => {
                if std::mem::take(trouble) {
                    tracing::info!("accepting connections again");
                }
                return accepted;
            }
            // The peer was gone before we came to it: accept(2).
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                if !std::mem::replace(trouble, true) {
                    tracing::error!(%error, "cannot accept connections; trying on");
                }
                tokio::time::sleep(REST).await;
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_cannot_accept_rests_and_goes_on() {
        let mut errors = vec![
            io::Error::from_raw_os_error(24), // EMFILE
            io::ErrorKind::ConnectionAborted.into(),
            io::Error::from_raw_os_error(24),
        ];
        let accept = |_: &mut Context<'_>| match errors.pop() {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok("connection")),
        };
        let (start, mut trouble) = (Instant::now(), false);
        assert_eq!(next(accept, &mut trouble).await, "connection");
        assert!(!trouble);
        assert_eq!(start.elapsed().as_millis(), 2 * REST.as_millis());
    }

    #[tokio::test]
    async fn an_address_in_use_is_refused() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = bind(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
