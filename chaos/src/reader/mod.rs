//! Readers: they come, read, lose their connection, stall, leave, and return with some cursor.

mod message;
mod poll;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::record::{History, Mark, Scope, Seen, Sent};
use crate::world::{Orders, World};

use message::Message;

/// After how much silence a reader takes its connection for dead: the server is told to show every
/// half a second that it is alive.
const SILENCE: Duration = Duration::from_secs(3);

/// How a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// As a native `EventSource` does.
    Stream,
    /// Pages of events, held until there are some or not.
    Poll,
}

/// Why a reader's connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It broke, or ended.
    Broken,
    /// There is nothing more to come for.
    Over,
}

/// One reader.
#[derive(Debug)]
struct Reader {
    world: Arc<World>,
    history: History,
    /// Where it goes.
    front: usize,
    /// The last id that it has.
    cursor: u64,
    /// The cursor that it was told to come with instead, once.
    other: Option<Sent>,
    orders: watch::Receiver<Orders>,
    obeyed: Orders,
    random: fastrand::Rng,
}

/// Reads until there is nothing more to come for, or everything is over; gives what it saw.
pub(crate) fn spawn(
    world: Arc<World>,
    name: String,
    scope: Scope,
    how: How,
    mut random: fastrand::Rng,
) -> JoinHandle<History> {
    let front = world.draw_front(&mut random);
    spawn_at(world, front, name, scope, how, random)
}

/// The same by this front.
pub(crate) fn spawn_at(
    world: Arc<World>,
    front: usize,
    name: String,
    scope: Scope,
    how: How,
    random: fastrand::Rng,
) -> JoinHandle<History> {
    let name = match front {
        0 => name,
        node => format!("{name} at node {node}"),
    };
    let orders = world.orders.subscribe();
    let obeyed = *orders.borrow();
    let over = world.over.clone();
    let history = History::new(name, scope);
    let mut reader =
        Reader { world, history, front, cursor: 0, other: None, orders, obeyed, random };
    tokio::spawn(async move {
        over.run_until_cancelled(async {
            loop {
                let left = match how {
                    How::Stream => reader.stream().await,
                    How::Poll => reader.poll().await,
                };
                if left == Left::Over {
                    break;
                }
                let world = Arc::clone(&reader.world);
                world.pause(&mut reader.random).await;
            }
        })
        .await;
        reader.history.close();
        reader.history
    })
}

impl Reader {
    /// The cursor to come with.
    fn sent(&mut self) -> Sent {
        self.other.take().unwrap_or(Sent::Own(self.cursor))
    }

    /// Notes that it was let in with this cursor: from an old one of its own, it reads on from there.
    fn open(&mut self, sent: Sent) {
        self.history.mark(Mark::Open(sent));
        if let Sent::Old(id) = sent {
            self.cursor = id;
        }
    }

    /// Keeps what came.
    fn keep(&mut self, message: Message) {
        match message {
            Message::Event { id, name, content } => {
                self.cursor = id;
                self.history.seen.push(Seen { id, content });
                self.world.note(&name, id);
            }
            Message::Gap { from, to, reason } => {
                self.history.mark(Mark::Gap { from, to, reason });
            }
            Message::Snapshot { id } => {
                self.cursor = id.unwrap_or(self.cursor);
                self.history.mark(Mark::Snapshot(id));
            }
            Message::Control => {}
        }
        if let Scope::Project(_) = self.history.scope {
            self.world.note_project(self.front, self.cursor);
        }
    }

    /// Does what the plan has asked for since it was last looked at; true when the connection is to
    /// be left for another.
    async fn obey(&mut self) -> bool {
        let orders = *self.orders.borrow_and_update();
        let obeyed = std::mem::replace(&mut self.obeyed, orders);
        let (number, percent, hold) = orders.stall;
        if number > obeyed.stall.0 && self.random.u8(0..100) < percent {
            tokio::time::sleep(hold).await;
        }
        let (number, percent) = orders.cursors;
        let leaves = number > obeyed.cursors.0 && self.random.u8(0..100) < percent;
        if leaves {
            self.other = Some(self.another_cursor());
        }
        leaves
    }

    /// A cursor that is not its newest.
    fn another_cursor(&mut self) -> Sent {
        let epoch = self.cursor >> 32;
        let seen = &self.history.seen;
        match self.random.u8(0..8) {
            0..=2 if !seen.is_empty() => Sent::Old(seen[self.random.usize(..seen.len())].id),
            // From the future: of this life, and of one that there never was.
            3 => Sent::Invented((epoch.max(1) << 32) + 0xf000_0000),
            4 => Sent::Invented((1 << 20) << 32 | 7),
            // From before the first life.
            5 => Sent::Invented(self.random.u64(1..1 << 32)),
            6 => Sent::Foreign,
            _ => Sent::Old(0),
        }
    }
}
