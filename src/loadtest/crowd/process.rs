//! Readers as a process of their own: a plan and commands come on standard input, a line of JSON
//! each; where they are and what they saw goes to standard output.

use std::io::{self, BufRead, BufReader, Write};
use std::process::Command as Program;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mio::{Poll, Waker};
use serde::{Deserialize, Serialize};

use super::hand::{Hand, WAKE};
use super::plan::{Command, Outcome, Plan, Status};
use crate::descriptors;
use crate::loadtest::system;

/// The command of this program that runs such a process.
pub(in crate::loadtest) const COMMAND: &str = "loadtest-readers";

/// How often it says where the readers are.
const PACE: Duration = Duration::from_millis(20);

/// What a process of readers says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    Status(Status),
    Outcome(Box<Outcome>),
}

/// This program, as such a process.
pub(super) fn command() -> io::Result<Program> {
    let mut program = Program::new(std::env::current_exe()?);
    program.arg(COMMAND);
    Ok(program)
}

/// Runs such a process to its end.
///
/// # Errors
/// When what it is told makes no sense, nobody listens, or the system fails.
pub(in crate::loadtest) fn run() -> io::Result<()> {
    descriptors::raise_limit();
    let mut lines = BufReader::new(io::stdin()).lines();
    let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let plan: Plan = serde_json::from_str(&first)?;
    if let Some(core) = plan.core {
        system::pin(core)?;
    }
    let (commands, received) = mpsc::sync_channel(4);
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKE)?;
    let status = Arc::<Mutex<Status>>::default();
    let told = Arc::clone(&status);
    let reading = thread::Builder::new()
        .name("readers".to_owned())
        .spawn(move || Hand::new(plan, poll).run(&received, &told))?;
    thread::Builder::new()
        .name("commands".to_owned())
        .spawn(move || hear(lines, &commands, &waker))?;
    while !reading.is_finished() {
        say(&Said::Status(*status.lock().unwrap_or_else(PoisonError::into_inner)))?;
        thread::park_timeout(PACE);
    }
    let outcome = reading.join().map_err(|_| io::Error::other("the readers failed"))??;
    say(&Said::Outcome(Box::new(outcome)))
}

/// Passes commands on. When nobody can give any more, the sender is dropped, and the readers end.
fn hear(
    lines: impl Iterator<Item = io::Result<String>>,
    commands: &SyncSender<Command>,
    waker: &Waker,
) {
    for line in lines.map_while(Result::ok) {
        let Ok(command) = serde_json::from_str(&line) else { return };
        if commands.send(command).is_err() || waker.wake().is_err() {
            return;
        }
    }
}

fn say(said: &Said) -> io::Result<()> {
    let line = serde_json::to_string(said)? + "\n";
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}
