//! How many events of 200 bytes one core appends, encoding included, with one follower.
//!
//! The figures are CPU time of the appending thread, so that a busy machine does not show in them.
//! The journal commits on another thread all the while, as it does in a server; between two runs
//! of appends it catches up, outside of the measurement.

#[path = "server/engine.rs"]
mod engine;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;

use criterion::{Criterion, Throughput};
use rustix::time::{ClockId, clock_gettime};
use tailwater::event::payload::Content;
use tailwater::event::{Draft, EventId, EventType, now_ms};
use tailwater::job::Fact;
use tailwater::store::{Follower, Log, Next, Proposal, Source};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use engine::{EVENT_BYTES, Engine};

/// How many events a job gets before the next one: about 10 MB.
const RUN: u64 = 50_000;

/// What the calling thread has used of a processor.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a clock that counts up")
}

/// Everything but the appending thread: the journal, and a follower where it has its own thread.
fn others() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A piece of text whose `content` event takes [`EVENT_BYTES`] on the wire.
fn text() -> String {
    let id = EventId::new(1, RUN as u32 / 2).expect("a small epoch");
    let empty = content(RUN / 2, "").draft.seal(id);
    "x".repeat(EVENT_BYTES - empty.bytes().len())
}

/// What a worker proposes for a piece of text, encoding included.
fn content(index: u64, text: &str) -> Proposal {
    let fact = Fact::Content(text.into());
    let payload = Content { index, offset: index * 100, text: text.to_owned(), attempt: 1 };
    let draft = Draft::new(EventType::Content, &payload, now_ms());
    Proposal { attempt: 1, source: Source::Worker, fact, draft, producer: None }
}

/// What an external worker's JSON becomes, encoding included.
fn foreign(kind: &EventType, json: &str) -> Proposal {
    let (fact, draft) = (Fact::Other, Draft::raw(kind.clone(), json, now_ms()));
    Proposal { attempt: 1, source: Source::Producer, fact, draft, producer: None }
}

/// Waits until everything is committed, then drops every log that nobody holds.
async fn forget(engine: &Engine, last: EventId) {
    engine.store.journal().wait_durable(last).await.expect("the journal runs");
    engine.store.sweep().await;
}

/// Who reads what is appended.
#[derive(Clone, Copy)]
enum Reader {
    Nobody,
    /// A task on another thread, which is woken and reads as fast as it can.
    Elsewhere,
    /// The appending thread itself, after each append.
    Here,
}

fn follow(runtime: &Runtime, engine: &Engine, log: &Arc<Log>) -> JoinHandle<()> {
    let mut follower = engine.store.follow(log, EventId::ZERO);
    runtime.spawn(async move {
        while let Ok(Next::Page(page)) = follower.next().await {
            std::hint::black_box(page);
        }
    })
}

/// Takes the one page that is there.
fn read(follower: &mut Follower) {
    let next = std::pin::pin!(follower.next());
    match next.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(page) => drop(std::hint::black_box(page)),
        Poll::Pending => panic!("what was appended can be read"),
    }
}

/// Appends `count` events to jobs of their own; gives the CPU time of the appends.
fn appends(
    runtime: &Runtime,
    engine: &Engine,
    reader: Reader,
    count: u64,
    mut propose: impl FnMut(u64) -> Proposal,
) -> Duration {
    let mut spent = Duration::ZERO;
    for first in (0..count).step_by(RUN as usize) {
        let log = runtime.block_on(engine.job());
        let task = matches!(reader, Reader::Elsewhere).then(|| follow(runtime, engine, &log));
        let mut follower = engine.store.follow(&log, log.last());
        let start = cpu_time();
        for index in 0..RUN.min(count - first) {
            let appended = engine.store.append(&log, [propose(index)]).now_or_never();
            appended.expect("alone it never waits").expect("the job runs");
            if matches!(reader, Reader::Here) {
                read(&mut follower);
            }
        }
        spent += cpu_time() - start;
        drop(follower);
        task.inspect(JoinHandle::abort);
        let last = log.last();
        drop(log);
        runtime.block_on(forget(engine, last));
    }
    spent
}

fn append(criterion: &mut Criterion) {
    let runtime = others();
    let engine = runtime.block_on(Engine::open());
    let text = text();
    let json = format!("{{\"text\":\"{}\"}}", "x".repeat(142));
    let kind = EventType::from_producer("frame.rendered").expect("a name");
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    group.measurement_time(Duration::from_secs(5));
    for (name, reader) in [
        ("content, no follower", Reader::Nobody),
        ("content, a follower on another thread", Reader::Elsewhere),
        ("content, and its page read on the same thread", Reader::Here),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let propose = |index| content(index, &text);
                appends(&runtime, &engine, reader, count, propose)
            });
        });
    }
    group.bench_function("external JSON, a follower on another thread", |bencher| {
        bencher.iter_custom(|count| {
            let propose = |_| foreign(&kind, &json);
            appends(&runtime, &engine, Reader::Elsewhere, count, propose)
        });
    });
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let text = text();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    group.bench_function("content", |bencher| {
        let mut index = 0;
        bencher.iter(|| {
            index += 1;
            content(index, &text)
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    encode(&mut criterion);
    append(&mut criterion);
    criterion.final_summary();
}
