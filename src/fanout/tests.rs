//! Claims about the engine, with real sockets and a real database behind the store.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Engine, Handover, Options, Words};
use crate::db::{self, Change, jobs::Submit};
use crate::event::payload::{Canceled, Content, End};
use crate::event::{Draft, EventId, EventType, now_ms};
use crate::job::{Fact, Job};
use crate::store::{self, Gap, Journal, Log, Proposal, Snapshot, Source, Store};

/// How long a test waits for what must come: it says "never", not "late".
const PATIENCE: Duration = Duration::from_secs(60);

/// The wire's words, as tests tell them apart.
#[derive(Debug)]
struct TestWords;

impl Words for TestWords {
    fn keep_alive(&self, as_event: bool) -> Bytes {
        Bytes::from_static(if as_event { b"event: alive\n\n" } else { b": alive\n\n" })
    }

    fn place(&self, position: u32) -> Bytes {
        format!("event: queue\ndata: {position}\n\n").into()
    }

    fn bye(&self, reason: &str, _: usize) -> Bytes {
        format!("event: bye\ndata: {reason}\n\n").into()
    }

    fn gap(&self, gap: &Gap, _: &Snapshot) -> Bytes {
        format!("event: gap\ndata: {}\n\n", gap.to).into()
    }
}

/// Words that a shard does not survive.
#[derive(Debug)]
struct Deadly;

impl Words for Deadly {
    fn keep_alive(&self, _: bool) -> Bytes {
        Bytes::new()
    }

    fn place(&self, _: u32) -> Bytes {
        panic!("a claim about what happens then")
    }

    fn bye(&self, _: &str, _: usize) -> Bytes {
        Bytes::new()
    }

    fn gap(&self, _: &Gap, _: &Snapshot) -> Bytes {
        Bytes::new()
    }
}

/// A store with its journal, and an engine over it.
struct Rig {
    store: Store,
    engine: Engine,
    log: Arc<Log>,
    listener: TcpListener,
    stop: CancellationToken,
    journal: JoinHandle<()>,
    _folder: TempDir,
}

impl Rig {
    async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    async fn with(
        engine: impl FnOnce(&mut Options),
        store: impl FnOnce(&mut store::Options),
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let (db, mut writer, _) = db::open(folder.path()).await.unwrap();
        let epochs = writer.begin_epoch(now_ms()).await.unwrap();
        let (journal, feed) = Journal::new(epochs.last_committed());
        let mut bounds = store::Options::default();
        store(&mut bounds);
        let store = Store::new(db, epochs, bounds, journal);
        let job = Job::sample();
        let mut tx = writer.begin().await.unwrap();
        row(&job).apply(&mut tx.conn()).await.unwrap();
        tx.commit().await.unwrap();
        let log = store.create(&job);
        let mut options = Options {
            shards: 2,
            room: 16,
            keep_alive: PATIENCE,
            stall: PATIENCE,
            drain: Duration::from_millis(50),
            words: Arc::new(TestWords),
        };
        engine(&mut options);
        let engine = Engine::start(&store, &options).unwrap();
        let stop = CancellationToken::new();
        let journal = tokio::spawn(store.clone().run_journal(writer, feed, stop.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { store, engine, log, listener, stop, journal, _folder: folder }
    }

    /// A reader from a position on: the peer's end of its connection.
    fn join(&self, after: EventId) -> Peer {
        self.join_until(after, Instant::now() + Duration::from_secs(3600))
    }

    fn join_until(&self, after: EventId, ends_at: Instant) -> Peer {
        let near = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (socket, _) = self.listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        near.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = Arc::clone(&self.log);
        self.engine.adopt(Handover {
            socket,
            log,
            after,
            keep_alive_as_event: false,
            keep_alive_s: None,
            ends_at,
            key: 0,
            revoked: CancellationToken::new(),
            held: None,
        });
        Peer { socket: near, body: Vec::new() }
    }

    /// Appends a piece of text; gives its id.
    fn append(&self, text: &str) -> EventId {
        self.store.append_now(&self.log, [content(text)]).unwrap().last
    }

    /// Appends the end.
    fn end(&self) {
        let payload = Canceled { reason: "enough".into() };
        let proposal = Proposal {
            attempt: 0,
            source: Source::Worker,
            fact: Fact::End(End::Canceled(payload.clone())),
            draft: Draft::new(EventType::Canceled, &payload, 7),
            producer: None,
        };
        self.store.append_now(&self.log, [proposal]).unwrap();
    }

    /// Waits until everything so far is in the database.
    async fn durable(&self) {
        while self.store.journal().durable_through() < self.store.head() {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until there are so many readers.
    async fn readers(&self, wanted: usize) {
        let start = Instant::now();
        while self.engine.readers() != wanted {
            assert!(start.elapsed() < PATIENCE, "{} readers", self.engine.readers());
            tokio::task::yield_now().await;
        }
    }

    async fn close(self) {
        let engine = self.engine;
        tokio::task::spawn_blocking(move || engine.stop()).await.unwrap();
        self.stop.cancel();
        self.journal.await.unwrap();
    }
}

/// The reader's end of a connection.
struct Peer {
    socket: TcpStream,
    body: Vec<u8>,
}

impl Peer {
    /// Reads, so many bytes at a time, until the body has this many events with an id; gives them.
    fn ids(&mut self, count: usize, step: usize) -> Vec<u64> {
        loop {
            let ids = ids(&self.text());
            if ids.len() >= count {
                return ids;
            }
            assert!(self.read(step) > 0, "the stream ended with {ids:?}");
        }
    }

    fn read(&mut self, step: usize) -> usize {
        let mut buffer = vec![0; step];
        let read = self.socket.read(&mut buffer).unwrap();
        self.body.extend_from_slice(&buffer[..read]);
        read
    }

    /// Everything to the end of the connection, which must be the end of the body.
    fn rest(mut self) -> String {
        while self.read(64 << 10) > 0 {}
        assert!(self.body.ends_with(b"0\r\n\r\n"), "the body was cut");
        self.text()
    }

    /// The whole chunks so far; every byte of their frame is checked.
    fn text(&self) -> String {
        let (mut rest, mut text) = (self.body.as_slice(), Vec::new());
        while let Some(line) = rest.windows(2).position(|pair| pair == b"\r\n") {
            let size = std::str::from_utf8(&rest[..line]).unwrap();
            let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
            let Some(chunk) = rest.get(line + 2..line + 2 + size + 2) else { break };
            assert!(chunk.ends_with(b"\r\n"), "a chunk ends where it says");
            text.extend_from_slice(&chunk[..size]);
            rest = &rest[line + 2 + size + 2..];
        }
        String::from_utf8(text).unwrap()
    }
}

fn ids(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
}

fn row(job: &Job) -> Submit {
    Submit::sample(job.clone())
}

fn content(text: &str) -> Proposal {
    let payload = Content { index: 0, offset: 0, text: text.into(), attempt: 0 };
    Proposal {
        attempt: 0,
        source: Source::Producer,
        fact: Fact::Content(text.into()),
        draft: Draft::new(EventType::Content, &payload, 7),
        producer: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_gets_every_event_once_and_in_order() {
    let rig = Rig::new().await;
    let first = rig.append("one").get();
    let mut peers: Vec<_> = (0..20).map(|_| rig.join(EventId::ZERO)).collect();
    let mut late = rig.join(EventId::from_u64(first + 1).unwrap());
    for _ in 0..300 {
        rig.append("more");
    }
    for peer in &mut peers {
        assert_eq!(peer.ids(301, 4096), (first..=first + 300).collect::<Vec<_>>());
    }
    assert_eq!(late.ids(299, 4096), (first + 2..=first + 300).collect::<Vec<_>>());
    rig.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_takes_a_byte_at_a_time_gets_it_all() {
    let rig = Rig::new().await;
    let mut slow = rig.join(EventId::ZERO);
    let text = "x".repeat(20_000);
    // More than the system holds for a peer, so that writes end in the middle of a frame.
    let ids: Vec<_> = (0..400).map(|_| rig.append(&text).get()).collect();
    for _ in 0..2_000 {
        slow.read(1);
    }
    assert_eq!(slow.ids(400, 3_001), ids);
    rig.end();
    assert!(slow.rest().contains("event: canceled"));
    rig.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_in_the_middle_of_a_frame_costs_the_others_nothing() {
    let rig = Rig::new().await;
    let mut stays = rig.join(EventId::ZERO);
    let mut leaves = rig.join(EventId::ZERO);
    let text = "x".repeat(20_000);
    let first: Vec<_> = (0..200).map(|_| rig.append(&text).get()).collect();
    leaves.read(10_001);
    drop(leaves);
    let second: Vec<_> = (0..200).map(|_| rig.append(&text).get()).collect();
    assert_eq!(stays.ids(400, 64 << 10), [first, second].concat());
    rig.readers(1).await;
    rig.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_never_reads_is_closed_and_holds_nobody_up() {
    let short = |options: &mut Options| {
        options.keep_alive = Duration::from_millis(20);
        options.stall = Duration::from_millis(200);
    };
    let rig = Rig::with(short, |_| {}).await;
    let _never = rig.join(EventId::ZERO);
    let mut reads = rig.join(EventId::ZERO);
    let text = "x".repeat(20_000);
    for _ in 0..400 {
        // One at a time: whoever reads is never behind, however busy the machine is.
        let id = rig.append(&text).get();
        assert_eq!(reads.ids(1, 64 << 10), [id]);
        reads.body.clear();
    }
    rig.readers(1).await;
    rig.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_trimmed_under_a_reader_is_read_from_the_database() {
    let tight = |options: &mut store::Options| options.memory_limit = 1;
    let rig = Rig::with(|_| {}, tight).await;
    let mut behind = rig.join(EventId::ZERO);
    let text = "x".repeat(20_000);
    let ids: Vec<_> = (0..500).map(|_| rig.append(&text).get()).collect();
    rig.durable().await;
    rig.store.sweep().await;
    assert_eq!(behind.ids(500, 64 << 10), ids);
    let last = rig.append("live again").get();
    assert_eq!(behind.ids(501, 4096).last(), Some(&last));
    rig.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_job_is_the_end_of_its_streams() {
    let rig = Rig::new().await;
    let mut early = rig.join(EventId::ZERO);
    rig.append("one");
    early.ids(1, 4096);
    rig.end();
    assert!(early.rest().contains("event: canceled"));
    let late = rig.join(EventId::ZERO).rest();
    assert!(late.contains("one") && late.ends_with("\n\n"), "{late}");
    rig.readers(0).await;
    rig.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_filled_and_an_old_stream_says_goodbye() {
    let short = |options: &mut Options| options.keep_alive = Duration::from_millis(50);
    let rig = Rig::with(short, |_| {}).await;
    let text = rig.join_until(EventId::ZERO, Instant::now() + Duration::from_millis(400)).rest();
    assert!(text.starts_with(": alive\n\n"), "{text}");
    assert!(text.ends_with("event: bye\ndata: max_age\n\n"), "{text}");
    rig.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_says_goodbye_to_everybody_those_who_are_behind_too() {
    let rig = Rig::new().await;
    let text = "x".repeat(20_000);
    let behind = rig.join(EventId::ZERO);
    let ids: Vec<_> = (0..400).map(|_| rig.append(&text).get()).collect();
    let live: Vec<_> = (0..10).map(|_| rig.join(rig.store.head())).collect();
    rig.readers(11).await;
    rig.engine.drain();
    for peer in live {
        assert_eq!(peer.rest(), "event: bye\ndata: draining\n\n");
    }
    let told = behind.rest();
    assert!(told.ends_with("event: bye\ndata: draining\n\n"));
    // It comes back behind its last whole event.
    assert!(ids.starts_with(&self::ids(&told)));
    rig.readers(0).await;
    rig.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_dies_closes_its_streams_and_is_given_none() {
    let rig = Rig::with(|options| options.words = Arc::new(Deadly), |_| {}).await;
    rig.log.set_position(3);
    let mut lost = rig.join(EventId::ZERO);
    assert_eq!(lost.read(1), 0, "its connection is closed");
    rig.log.set_position(0);
    let id = rig.append("one").get();
    for _ in 0..4 {
        assert_eq!(rig.join(EventId::ZERO).ids(1, 4096), [id]);
    }
    rig.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_joins_and_leaves_lose_nobody_an_event() {
    let rig = Rig::new().await;
    let mut random = fastrand::Rng::with_seed(7);
    let mut readers: BTreeMap<u32, (u64, Peer)> = BTreeMap::new();
    let mut ids: Vec<u64> = Vec::new();
    for turn in 0..10_000 {
        match random.u32(..10) {
            0..5 if readers.len() < 300 => {
                let at = random.usize(..=ids.len().min(50));
                let after = ids.len().checked_sub(at + 1).map_or(0, |index| ids[index]);
                let peer = rig.join(EventId::from_u64(after).unwrap());
                readers.insert(turn, (after, peer));
            }
            5..8 if readers.len() > 200 => {
                let nth = random.usize(..readers.len());
                let key = *readers.keys().nth(nth).unwrap();
                let (after, mut peer) = readers.remove(&key).unwrap();
                if random.bool() {
                    // One that has read all that there is by now leaves.
                    let due: Vec<_> = ids.iter().copied().filter(|id| *id > after).collect();
                    assert_eq!(peer.ids(due.len(), 4096)[..due.len()], due);
                }
            }
            _ => ids.push(rig.append("piece").get()),
        }
    }
    for (after, mut peer) in readers.into_values() {
        let due: Vec<_> = ids.iter().copied().filter(|id| *id > after).collect();
        assert_eq!(peer.ids(due.len(), 16 << 10), due);
        peer.socket.flush().unwrap();
    }
    rig.readers(0).await;
    rig.close().await;
}
