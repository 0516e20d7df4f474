//! Clients that ask for a job's state again and again: with an entity tag, so that they are told
//! cheaply that nothing is new, and when the server says.

mod client;
mod poller;

pub(super) use client::Polls;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::LoadError;
use super::server::Server;
use client::Client;

/// What polling clients are told.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) target: super::target::Target,
    /// The path of each job; client n asks for job n modulo the number of jobs.
    pub(super) paths: Vec<String>,
    pub(super) clients: u32,
    pub(super) seed: u64,
}

impl Plan {
    /// Clients for a Tailwater server's jobs of these names.
    pub(super) fn new(server: &Server, names: &[String], clients: u32, seed: u64) -> Self {
        let target = server.target.clone();
        let path = |name: &String| format!("{}/api/jobs/{name}", target.base);
        Self { paths: names.iter().map(path).collect(), target, clients, seed }
    }
}

/// What is known of polling clients while they work.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) stop: AtomicBool,
    /// When the jobs were ended, by the shared clock; 0 before.
    pub(super) ended_at: AtomicU64,
    polls: Mutex<Polls>,
}

impl Board {
    pub(super) fn publish(&self, polls: &Polls) {
        polls.clone_into(&mut self.polls.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Polling clients at work.
#[derive(Debug)]
pub(super) struct Polling {
    board: Arc<Board>,
    thread: JoinHandle<std::io::Result<Polls>>,
}

impl Polling {
    /// Clients that begin to ask.
    pub(super) fn start(plan: Plan) -> Result<Self, LoadError> {
        let setup = |error: std::io::Error| LoadError::setup("polling", &error);
        let board = Arc::<Board>::default();
        let client = Client::new(plan, Arc::clone(&board)).map_err(setup)?;
        let builder = thread::Builder::new().name("polls".to_owned());
        let thread = builder.spawn(move || client.run()).map_err(setup)?;
        Ok(Self { board, thread })
    }

    /// What they have seen by now.
    pub(super) fn polls(&self) -> Polls {
        self.board.polls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The jobs end now.
    pub(super) fn note_end(&self, now: u64) {
        self.board.ended_at.store(now, Ordering::Release);
    }

    /// Has them stop.
    pub(super) fn finish(self) -> Result<Polls, LoadError> {
        self.board.stop.store(true, Ordering::Release);
        let polls = self.thread.join().map_err(|_| LoadError::Readers)?;
        polls.map_err(|error| LoadError::setup("polling", &error))
    }
}
