//! Connections by the thousand.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;

/// How much a slow reader's system holds for it, in bytes: little, so that the server notices.
#[cfg(unix)]
const SLOW_BUFFER: usize = 4 << 10;

/// Begins a connection. When it is closed, nothing lingers: thousands of ports in TIME-WAIT would
/// make the next connections slow to find one of their own.
#[cfg(unix)]
pub(super) fn connect(
    target: SocketAddr,
    source: Option<IpAddr>,
    is_slow: bool,
) -> io::Result<TcpStream> {
    use std::time::Duration;

    use rustix::net::{AddressFamily, SocketType, sockopt};

    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if is_slow {
        sockopt::set_socket_recv_buffer_size(&socket, SLOW_BUFFER)?;
    }
    if let Some(source) = source {
        rustix::net::bind(&socket, &SocketAddr::new(source, 0))?;
    }
    match rustix::net::connect(&socket, &target) {
        Ok(()) => {}
        Err(error) if error == rustix::io::Errno::INPROGRESS => {}
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from_std(std::net::TcpStream::from(socket)))
}

/// The same without the options.
#[cfg(not(unix))]
pub(super) fn connect(
    target: SocketAddr,
    source: Option<IpAddr>,
    _is_slow: bool,
) -> io::Result<TcpStream> {
    if source.is_some() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    TcpStream::connect(target)
}
