//! The loop that reads for many: one thread, one readiness queue, a slab of readers.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use super::desk::Desk;
use super::plan::{Command, Outcome, Plan, Status};
use super::reader::{Link, Reader, Seen};
use crate::loadtest::system::now_ns;
use crate::loadtest::verify::Who;

/// The token of the waker; readers have their places as tokens.
pub(super) const WAKE: Token = Token(usize::MAX);

/// How many connections are begun before those that are there are looked at again.
const CONNECT_AT_ONCE: usize = 64;

/// How much is read at once, in bytes.
const BUFFER: usize = 256 << 10;

/// How long a reader waits before it tries again, in nanoseconds.
const REST: u64 = 100_000_000;

/// How often in a row a reader may come to nothing before it gives up.
const MOST_TRIES: u32 = 100;

/// How often a slow reader takes a byte, in nanoseconds.
const SIP: u64 = 1_000_000_000;

/// How long the loop waits at most when nothing happens.
const LOOK: Duration = Duration::from_millis(20);

/// Some of the readers, and what they have seen.
pub(super) struct Hand {
    plan: Plan,
    poll: Poll,
    readers: Vec<Reader>,
    desk: Desk,
    /// What slow readers see is checked like all else, and measures nothing.
    slow_desk: Desk,
    status: Status,
    /// Places of readers that are about to connect.
    coming: VecDeque<usize>,
    /// Places of readers that try again, and when; in order.
    resting: VecDeque<(u64, usize)>,
    next_sip: u64,
    returned_at: u64,
    buffer: Vec<u8>,
}

impl Hand {
    /// Readers that are to connect; `poll` is what wakes the loop for a command.
    pub(super) fn new(plan: Plan, poll: Poll) -> Self {
        let jobs = u32::try_from(plan.reading.paths.len()).unwrap_or(u32::MAX).max(1);
        let reader = |reader: u32| {
            Reader::new(Who { reader, job: reader % jobs }, plan.slow.contains(&reader))
        };
        let readers = plan.readers.clone().map(reader).collect();
        Self {
            plan,
            poll,
            readers,
            desk: Desk::default(),
            slow_desk: Desk::default(),
            status: Status::default(),
            coming: VecDeque::new(),
            resting: VecDeque::new(),
            next_sip: 0,
            returned_at: 0,
            buffer: vec![0; BUFFER],
        }
    }

    /// Reads until it is told to finish, or nobody is there any more to tell it.
    ///
    /// # Errors
    /// When the system's readiness queue fails.
    pub(super) fn run(
        mut self,
        commands: &Receiver<Command>,
        told: &Arc<Mutex<Status>>,
    ) -> io::Result<Outcome> {
        let mut events = Events::with_capacity(4096);
        loop {
            let wait = if self.coming.is_empty() { LOOK } else { Duration::ZERO };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                if event.token() != WAKE {
                    self.look(event);
                }
            }
            self.connect_some();
            self.look_at_time(now_ns());
            self.tell(told);
            loop {
                match commands.try_recv() {
                    Ok(Command::Finish { published }) => return Ok(self.finish(&published)),
                    Ok(command) => self.obey(command),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(self.finish(&[])),
                }
            }
        }
    }

    fn tell(&mut self, told: &Arc<Mutex<Status>>) {
        self.status.delivered = self.desk.ledger.counts.delivered;
        self.status.bytes = self.desk.bytes;
        *told.lock().unwrap_or_else(PoisonError::into_inner) = self.status;
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Connect(readers) => self.coming.extend(self.places(&readers)),
            Command::Cut(readers) => self.places(&readers).for_each(|place| self.cut(place)),
            Command::Return { readers, heads } => {
                self.returned_at = now_ns();
                for place in self.places(&readers) {
                    let reader = &mut self.readers[place];
                    let job = reader.stream.who().job;
                    reader.behind = heads.get(job as usize).copied();
                    self.coming.push_back(place);
                }
            }
            Command::Begin(windows) => self.desk.begin(windows),
            Command::Finish { .. } => {}
        }
    }

    /// Where our part of these readers is.
    fn places(&self, readers: &Range<u32>) -> Range<usize> {
        let ours = &self.plan.readers;
        let place = |reader: u32| (reader.clamp(ours.start, ours.end) - ours.start) as usize;
        place(readers.start)..place(readers.end)
    }

    fn cut(&mut self, place: usize) {
        let reader = &mut self.readers[place];
        if reader.socket.take().is_some() && reader.link == Link::Open {
            self.status.open -= 1;
        }
        if !matches!(reader.link, Link::Ended | Link::Failed) {
            reader.link = Link::Down;
        }
    }

    fn connect_some(&mut self) {
        for _ in 0..CONNECT_AT_ONCE {
            let Some(place) = self.coming.pop_front() else { break };
            let reader = &mut self.readers[place];
            if reader.link != Link::Down {
                continue;
            }
            let sources = &self.plan.sources;
            let source = sources.get(place % sources.len().max(1)).copied();
            let interests = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            let begun = reader
                .connect(self.plan.target, source, now_ns())
                .and_then(|socket| registry.register(socket, Token(place), interests));
            if begun.is_err() {
                self.refused(place, None);
            }
        }
    }

    fn look(&mut self, event: &mio::event::Event) {
        let place = event.token().0;
        let reader = &mut self.readers[place];
        if reader.socket.is_none() {
            return;
        }
        let desk = if reader.is_slow { &mut self.slow_desk } else { &mut self.desk };
        let seen = reader.look(event, &self.plan.reading, &mut self.buffer, desk);
        self.follow_up(place, seen);
    }

    fn follow_up(&mut self, place: usize, seen: Seen) {
        let reader = &mut self.readers[place];
        if reader.link == Link::Asking
            && reader.stream.has_head()
            && !matches!(seen, Seen::Refused(_))
        {
            reader.link = Link::Open;
            reader.tries = 0;
            self.status.open += 1;
            self.desk.opening.record(now_ns().saturating_sub(reader.since));
        }
        if reader
            .behind
            .is_some_and(|head| reader.link == Link::Open && reader.stream.tracker().next() >= head)
        {
            reader.behind = None;
            self.status.caught_up += 1;
            self.desk.catching_up.record(now_ns().saturating_sub(self.returned_at));
        }
        match seen {
            Seen::Alive => {}
            Seen::Gone => self.gone(place),
            Seen::Refused(status) => self.refused(place, status),
        }
    }

    /// The server ended the connection: for good after the job's end, and otherwise the reader comes
    /// back, as a browser does.
    fn gone(&mut self, place: usize) {
        let reader = &mut self.readers[place];
        reader.socket = None;
        match reader.link {
            Link::Open => self.status.open -= 1,
            // It was let in and closed again before it was answered.
            _ => return self.refused(place, None),
        }
        if reader.stream.has_ended() {
            reader.link = Link::Ended;
            self.status.ended += 1;
        } else {
            self.status.dropped += 1;
            self.rest(place);
        }
    }

    fn refused(&mut self, place: usize, status: Option<u16>) {
        let reader = &mut self.readers[place];
        reader.socket = None;
        // No content: there is nothing more to read, for good.
        if status == Some(204) {
            reader.link = Link::Ended;
            self.status.ended += 1;
            return;
        }
        self.status.refused += 1;
        reader.tries += 1;
        if reader.tries >= MOST_TRIES || status.is_some_and(|status| (400..500).contains(&status)) {
            reader.link = Link::Failed;
            self.status.failed += 1;
            self.desk.ledger.tell(reader.stream.who(), || match status {
                Some(status) => format!("its stream was refused with status {status}"),
                None => "it could not connect".to_owned(),
            });
            return;
        }
        self.rest(place);
    }

    fn rest(&mut self, place: usize) {
        self.readers[place].link = Link::Down;
        self.resting.push_back((now_ns() + REST, place));
    }

    fn look_at_time(&mut self, now: u64) {
        while let Some((_, place)) = self.resting.pop_front_if(|(at, _)| *at <= now) {
            self.coming.push_back(place);
        }
        if self.plan.slow.is_empty() || now < self.next_sip {
            return;
        }
        self.next_sip = now + SIP;
        for place in self.places(&self.plan.slow.clone()) {
            if self.readers[place].link == Link::Open {
                let (seen, _) = self.readers[place].sip(&self.plan.reading, &mut self.slow_desk);
                self.follow_up(place, seen);
            }
        }
    }

    fn finish(mut self, published: &[u32]) -> Outcome {
        for reader in &self.readers {
            let who = reader.stream.who();
            if let Some(published) = published.get(who.job as usize)
                && !reader.is_slow
            {
                reader.stream.tracker().finish(*published, who, &mut self.desk.ledger);
            }
        }
        self.status.delivered = self.desk.ledger.counts.delivered;
        self.status.bytes = self.desk.bytes;
        // What a slow reader has not taken yet is not missing, and what it has is no delivery.
        let mut slow = self.slow_desk.ledger;
        slow.counts.delivered = 0;
        self.desk.ledger.add(slow);
        Outcome {
            status: self.status,
            ledger: self.desk.ledger,
            opening: self.desk.opening,
            latency: self.desk.latency,
            earlier: self.desk.earlier,
            timeline: self.desk.timeline,
            catching_up: self.desk.catching_up,
            comments: self.desk.comments,
            slow_bytes: self.slow_desk.slow_bytes,
        }
    }
}
