//! The server under test: the real program as a process of its own, in many lives.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::clock::Clock;
use crate::failure::Failure;

/// How the variables begin that the program reads: a run does not depend on who runs it.
const OURS: [&str; 7] =
    ["TAILWATER_", "OPENAI_", "REPLICATE_", "FAL_", "RUNWAYML_", "MINIMAX_", "BFL_"];

/// How long a server may take to start, or to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that the lives of one server have in common.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The program.
    pub(crate) program: PathBuf,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Where its log lines go.
    pub(crate) log: PathBuf,
    /// Its flags.
    pub(crate) flags: Vec<String>,
    /// Its variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// What it takes for the time of day.
    pub(crate) clock: Option<Clock>,
}

/// One server, running or not.
#[derive(Debug)]
pub(crate) struct Server {
    setup: Setup,
    life: Option<Life>,
}

/// One process.
#[derive(Debug)]
struct Life {
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

/// How a start went.
#[derive(Debug)]
pub(crate) enum Start {
    /// It listens, after so long.
    Listens(Duration),
    /// It ended instead.
    Ended(ExitStatus),
}

impl Server {
    /// A server that does not run yet.
    pub(crate) const fn new(setup: Setup) -> Self {
        Self { setup, life: None }
    }

    /// What its lives have in common.
    pub(crate) const fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Changes one of its flags from the next life on.
    pub(crate) fn set_flag(&mut self, name: &str, value: &str) {
        let flags = &mut self.setup.flags;
        match flags.iter().position(|flag| flag == name) {
            Some(place) => value.clone_into(&mut flags[place + 1]),
            None => flags.extend([name.to_owned(), value.to_owned()]),
        }
    }

    /// The id of its process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.life.as_ref()?.child.id()
    }

    /// Starts it, and waits until it listens or has ended.
    ///
    /// # Errors
    /// When the program cannot be run, or does neither.
    pub(crate) async fn try_start(&mut self) -> Result<Start, Failure> {
        let began = Instant::now();
        let failed = |error| Failure::machine("a server", error);
        let mut child = self.command().map_err(failed)?.spawn().map_err(failed)?;
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, stdout.read_line(&mut line)).await;
        let read = read.map_err(|_| {
            Failure::Server(format!("a server has neither started nor ended after {PATIENCE:?}"))
        })?;
        if read.map_err(failed)? > 0 && line.starts_with("listening on ") {
            self.life = Some(Life { child, _stdout: stdout });
            return Ok(Start::Listens(began.elapsed()));
        }
        Ok(Start::Ended(child.wait().await.map_err(failed)?))
    }

    /// Starts it; gives how long that took.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn start(&mut self) -> Result<Duration, Failure> {
        match self.try_start().await? {
            Start::Listens(took) => Ok(took),
            Start::Ended(status) => {
                let log = std::fs::read_to_string(&self.setup.log).unwrap_or_default();
                let lines: Vec<_> = log.lines().rev().take(5).collect();
                Err(Failure::Server(format!("the server does not start ({status}): {lines:#?}")))
            }
        }
    }

    /// Kills it as a power cut would, and waits until it is gone.
    ///
    /// # Errors
    /// When the system does not let it be killed.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        let Some(mut life) = self.life.take() else { return Ok(()) };
        let id = life.child.id();
        life.child.kill().await.map_err(|error| Failure::machine("a kill", error))?;
        if let (Some(clock), Some(id)) = (&self.setup.clock, id) {
            clock.forget(id);
        }
        Ok(())
    }

    /// Sends SIGTERM, and waits for its exit code; none when it has to be killed after all.
    ///
    /// # Errors
    /// When the system does not let it be told.
    pub(crate) async fn terminate(&mut self) -> Result<(Option<i32>, Duration), Failure> {
        let Some(life) = &mut self.life else { return Ok((None, Duration::ZERO)) };
        let began = Instant::now();
        let id = life.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // A process that has just ended cannot be told to.
            kill_process(id, Signal::TERM).ok();
        }
        let ended = tokio::time::timeout(PATIENCE, life.child.wait()).await;
        let Ok(status) = ended else {
            self.kill().await?;
            return Ok((None, began.elapsed()));
        };
        self.life = None;
        let status = status.map_err(|error| Failure::machine("the server's end", error))?;
        Ok((status.code(), began.elapsed()))
    }

    /// How it ended by itself, if it has.
    pub(crate) fn has_died(&mut self) -> Option<ExitStatus> {
        self.life.as_mut()?.child.try_wait().ok()?
    }

    fn command(&self) -> std::io::Result<Command> {
        let setup = &self.setup;
        let mut command = clean(&setup.program);
        command
            .envs(&setup.variables)
            .args(["serve", "--listen", &setup.address.to_string(), "--data"])
            .arg(&setup.data)
            .args(&setup.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(append(&setup.log)?);
        if let Some(clock) = &setup.clock {
            command.envs(clock.variables());
        }
        Ok(command)
    }
}

/// The program, with nothing of this machine's environment that would change it.
pub(crate) fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| OURS.iter().any(|ours| name.starts_with(ours))) {
            command.env_remove(name);
        }
    }
    command.kill_on_drop(true);
    command
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// A port that nobody is given by chance while the server is down: one below the range that systems
/// draw from. Not of the seed: two runs of it at a time are two servers.
///
/// # Errors
/// When none of many is free.
pub(crate) fn quiet_port() -> Result<SocketAddr, Failure> {
    let mut tries = std::iter::repeat_with(|| fastrand::u16(20_000..30_000)).take(1000);
    let free = tries.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    let none = || Failure::Argument("there is no free port from 20000 to 30000".to_owned());
    free.and_then(|listener| listener.local_addr().ok()).ok_or_else(none)
}
