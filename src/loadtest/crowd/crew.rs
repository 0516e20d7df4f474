//! All readers of a load test: one thread, or several processes.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use mio::{Poll, Waker};

use super::hand::{Hand, WAKE};
use super::plan::{Command, Outcome, Plan, Status};
use super::process::{self, Said};
use crate::loadtest::LoadError;

/// How many commands may wait for a thread that reads.
const COMMANDS: usize = 16;

/// The readers of a load test.
#[derive(Debug)]
pub(in crate::loadtest) struct Crew(Vec<Member>);

#[derive(Debug)]
struct Member {
    place: Place,
    status: Arc<Mutex<Status>>,
    /// Gives what was seen, at the end.
    ending: JoinHandle<io::Result<Outcome>>,
}

/// How a member is spoken to.
#[derive(Debug)]
enum Place {
    Thread { commands: SyncSender<Command>, waker: Waker },
    Process { child: Child, stdin: ChildStdin },
}

impl Crew {
    /// Readers in a thread of this process.
    pub(in crate::loadtest) fn in_thread(plan: Plan) -> Result<Self, LoadError> {
        let member = start_thread(plan).map_err(|error| LoadError::setup("reading", &error))?;
        Ok(Self(vec![member]))
    }

    /// Readers in so many processes, each with its part of them.
    pub(in crate::loadtest) fn in_processes(plan: &Plan, count: u32) -> Result<Self, LoadError> {
        let parts = (0..count).map(|nth| {
            let all = plan.readers.end - plan.readers.start;
            let border = |nth: u32| {
                let part = u64::from(all) * u64::from(nth) / u64::from(count.max(1));
                plan.readers.start + u32::try_from(part).unwrap_or(all)
            };
            Plan { readers: border(nth)..border(nth + 1), ..plan.clone() }
        });
        let members = parts.map(|plan| start_process(&plan)).collect::<io::Result<_>>();
        members.map(Self).map_err(|error| LoadError::setup("a process that reads", &error))
    }

    /// Tells all of them.
    pub(in crate::loadtest) fn tell(&mut self, command: &Command) -> Result<(), LoadError> {
        let told = self.0.iter_mut().try_for_each(|member| member.tell(command));
        told.map_err(|error| LoadError::setup("a process that reads", &error))
    }

    /// Where they are by now.
    pub(in crate::loadtest) fn status(&self) -> Status {
        let mut sum = Status::default();
        for member in &self.0 {
            sum.add(&member.status.lock().unwrap_or_else(PoisonError::into_inner));
        }
        sum
    }

    /// The processes, where they are not this one.
    pub(in crate::loadtest) fn processes(&self) -> Vec<u32> {
        let id = |member: &Member| match &member.place {
            Place::Thread { .. } => None,
            Place::Process { child, .. } => Some(child.id()),
        };
        self.0.iter().filter_map(id).collect()
    }

    /// Ends them, after they have looked whether all is there.
    pub(in crate::loadtest) fn finish(mut self, published: Vec<u32>) -> Result<Outcome, LoadError> {
        self.tell(&Command::Finish { published })?;
        let mut sum = Outcome::default();
        for member in self.0 {
            let outcome = member.ending.join().map_err(|_| LoadError::Readers)?;
            sum.add(outcome.map_err(|error| LoadError::setup("reading", &error))?);
            if let Place::Process { mut child, .. } = member.place {
                // It has said all that it had to say.
                child.wait().ok();
            }
        }
        Ok(sum)
    }
}

impl Member {
    fn tell(&mut self, command: &Command) -> io::Result<()> {
        match &mut self.place {
            Place::Thread { commands, waker } => {
                commands.send(command.clone()).map_err(io::Error::other)?;
                waker.wake()
            }
            Place::Process { stdin, .. } => {
                let line = serde_json::to_string(command)? + "\n";
                stdin.write_all(line.as_bytes())
            }
        }
    }
}

fn start_thread(plan: Plan) -> io::Result<Member> {
    let (commands, received) = mpsc::sync_channel(COMMANDS);
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKE)?;
    let status = Arc::<Mutex<Status>>::default();
    let told = Arc::clone(&status);
    let read = move || Hand::new(plan, poll).run(&received, &told);
    let ending = thread::Builder::new().name("readers".to_owned()).spawn(read)?;
    Ok(Member { place: Place::Thread { commands, waker }, status, ending })
}

fn start_process(plan: &Plan) -> io::Result<Member> {
    let mut child = process::command()?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    stdin.write_all((serde_json::to_string(plan)? + "\n").as_bytes())?;
    let status = Arc::<Mutex<Status>>::default();
    let told = Arc::clone(&status);
    let listen = move || {
        for line in BufReader::new(stdout).lines() {
            match serde_json::from_str(&line?)? {
                Said::Status(status) => {
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = status;
                }
                Said::Outcome(outcome) => return Ok(*outcome),
            }
        }
        Err(io::Error::other("a process that reads ended without a word"))
    };
    let ending = thread::Builder::new().name("listener".to_owned()).spawn(listen)?;
    Ok(Member { place: Place::Process { child, stdin }, status, ending })
}
