//! One connection: bytes both ways, until its fate or a storm.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::plan::Storm;

use super::fate::{DRIP, Fate};

/// How much is read at once, in bytes.
const CHUNK: usize = 16 << 10;

/// Why a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// Its source ended, or the connection is to break.
    Broken,
    /// It ends in order, and the other direction goes on.
    Half,
    /// Nothing comes any more.
    Hole,
}

/// Moves bytes until the end of either side, the connection's fate, or a storm.
pub(super) async fn run(
    client: TcpStream,
    server: TcpStream,
    fate: Fate,
    mut storm: watch::Receiver<Option<Storm>>,
) {
    // What is written goes out at once, as it came.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let over = tokio::select! {
        over = upward(&mut from_client, &mut to_server, fate) => over,
        over = downward(&mut from_server, &mut to_client, fate) => over,
        over = struck(&mut storm) => over,
    };
    match over {
        Over::Broken => reset(to_client, from_client),
        Over::Half => {
            to_client.shutdown().await.ok();
            drain(&mut from_client).await;
        }
        // The server goes on writing into a window that fills up.
        Over::Hole => drain(&mut from_client).await,
    }
}

/// Ends a connection as a crash of a middlebox does: with a reset, and nothing that is still on its
/// way.
fn reset(to_client: OwnedWriteHalf, from_client: OwnedReadHalf) {
    if let Ok(client) = to_client.reunite(from_client) {
        client.set_zero_linger().ok();
    }
}

/// Waits until the client gives up, whatever it still says.
async fn drain(from_client: &mut OwnedReadHalf) {
    let mut buffer = [0; 1024];
    while matches!(from_client.read(&mut buffer).await, Ok(1..)) {}
}

async fn struck(storm: &mut watch::Receiver<Option<Storm>>) -> Over {
    storm.mark_unchanged();
    // A proxy that is gone strikes no more.
    if storm.changed().await.is_err() {
        return std::future::pending().await;
    }
    match *storm.borrow() {
        Some(Storm::Hole) => Over::Hole,
        Some(Storm::Half) => Over::Half,
        Some(Storm::Cut) | None => Over::Broken,
    }
}

async fn upward(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, fate: Fate) -> Over {
    let mut left = match fate {
        Fate::CutRequest(bytes) => bytes,
        _ => u64::MAX,
    };
    let mut buffer = vec![0; CHUNK];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return Over::Broken };
        let sent = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        left -= sent as u64;
        if to.write_all(&buffer[..sent]).await.is_err() || left == 0 {
            return Over::Broken;
        }
    }
}

async fn downward(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, fate: Fate) -> Over {
    let (mut left, over) = match fate {
        Fate::Cut(bytes) => (bytes, Over::Broken),
        Fate::Half(bytes) => (bytes, Over::Half),
        Fate::Hole(bytes) => (bytes, Over::Hole),
        Fate::Pass | Fate::Delay(_) | Fate::CutRequest(_) | Fate::Drip(_) => {
            (u64::MAX, Over::Broken)
        }
    };
    let mut buffer = vec![0; CHUNK];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return Over::Broken };
        let sent = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        left -= sent as u64;
        if write(to, &buffer[..sent], fate).await.is_err() {
            return Over::Broken;
        }
        if left == 0 {
            return over;
        }
    }
}

async fn write(to: &mut OwnedWriteHalf, bytes: &[u8], fate: Fate) -> io::Result<()> {
    match fate {
        Fate::Delay(delay) => {
            tokio::time::sleep(delay).await;
            to.write_all(bytes).await
        }
        Fate::Drip(size) => {
            for drop in bytes.chunks(size) {
                to.write_all(drop).await?;
                tokio::time::sleep(DRIP).await;
            }
            Ok(())
        }
        Fate::Pass | Fate::Cut(_) | Fate::CutRequest(_) | Fate::Half(_) | Fate::Hole(_) => {
            to.write_all(bytes).await
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A connection through a pipe: the client's end, the server's end, and the storm.
    async fn pair(fate: Fate) -> (TcpStream, TcpStream, watch::Sender<Option<Storm>>) {
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let back = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(front.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = front.accept().await.unwrap();
        let onward = TcpStream::connect(back.local_addr().unwrap()).await.unwrap();
        let (server, _) = back.accept().await.unwrap();
        let (sender, receiver) = watch::channel(None);
        tokio::spawn(run(accepted, onward, fate, receiver));
        (client, server, sender)
    }

    async fn rest(stream: &mut TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.ok();
        bytes
    }

    #[tokio::test]
    async fn what_passes_arrives_both_ways() {
        let (mut client, mut server, _storm) = pair(Fate::Pass).await;
        client.write_all(b"ask").await.unwrap();
        let mut asked = [0; 3];
        server.read_exact(&mut asked).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        drop(server);
        assert_eq!((&asked, &*rest(&mut client).await), (b"ask", &b"answer"[..]));
    }

    #[tokio::test]
    async fn a_cut_falls_behind_so_many_bytes() {
        let (mut client, mut server, _storm) = pair(Fate::Cut(5)).await;
        server.write_all(b"0123456789").await.unwrap();
        assert_eq!(rest(&mut client).await, b"01234");
        assert_eq!(rest(&mut server).await, b"");
    }

    #[tokio::test]
    async fn a_request_is_cut_behind_so_many_bytes() {
        let (mut client, mut server, _storm) = pair(Fate::CutRequest(4)).await;
        client.write_all(b"0123456789").await.unwrap();
        assert_eq!(rest(&mut server).await, b"0123");
    }

    #[tokio::test]
    async fn a_half_closed_connection_ends_for_the_reader_only() {
        let (mut client, mut server, _storm) = pair(Fate::Half(2)).await;
        server.write_all(b"0123").await.unwrap();
        assert_eq!(rest(&mut client).await, b"01");
        client.write_all(b"still here").await.unwrap();
    }

    #[tokio::test]
    async fn in_a_hole_nothing_comes_until_the_client_gives_up() {
        let (mut client, mut server, _storm) = pair(Fate::Hole(2)).await;
        server.write_all(b"0123").await.unwrap();
        client.read_exact(&mut [0; 2]).await.unwrap();
        // Whatever else was to come would be before the end.
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, b"");
    }

    #[tokio::test]
    async fn a_storm_breaks_what_is_open() {
        let (mut client, mut server, storm) = pair(Fate::Pass).await;
        server.write_all(b"0").await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
        storm.send_replace(Some(Storm::Cut));
        assert_eq!(rest(&mut client).await, b"");
        assert_eq!(rest(&mut server).await, b"");
    }

    #[tokio::test]
    async fn drops_arrive_in_order_and_whole() {
        let (mut client, mut server, _storm) = pair(Fate::Drip(3)).await;
        server.write_all(b"0123456789").await.unwrap();
        drop(server);
        assert_eq!(rest(&mut client).await, b"0123456789");
    }
}
