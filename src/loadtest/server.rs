//! The server under test: one that is there already, or a child of this process.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::adapter::Adapter;
use super::target::Target;
use super::usage::Processes;
use super::{LoadError, Order, limit, system};

/// How the variables begin that the program reads: a test does not depend on who runs it.
const OURS: [&str; 7] =
    ["TAILWATER_", "OPENAI_", "REPLICATE_", "FAL_", "RUNWAYML_", "MINIMAX_", "BFL_"];

/// How many lines of a server's log are told when a load test comes to nothing.
const LAST_LINES: usize = 10;

/// The server that is tested.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) target: Target,
    /// Its processes, as far as they are known.
    pub(super) processes: Processes,
    started: Option<Started>,
}

#[derive(Debug)]
struct Started {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    folder: Folder,
}

impl Server {
    /// The server that the order names, else a new one.
    pub(super) fn of(order: &Order) -> Result<Self, LoadError> {
        match (&order.server, order.adapter) {
            (Some(url), _) => Ok(Self {
                target: Target::parse(url)?.with_key(order.key.as_ref()),
                processes: Processes(order.server_pids.clone()),
                started: None,
            }),
            (None, Adapter::Tailwater | Adapter::Limit) => Self::start(order, Folder::new()?),
            (None, Adapter::Nchan | Adapter::DurableStreams | Adapter::Sse) => {
                let adapter = order.adapter.name();
                Err(LoadError::Arguments(format!(
                    "--server says where the {adapter} server is; only tailwater and limit are \
                     started here"
                )))
            }
        }
    }

    /// Whether it was started here, and so can be started again.
    pub(super) const fn is_ours(&self) -> bool {
        self.started.is_some()
    }

    /// Stops the server in an orderly way and starts one on what it left.
    pub(super) fn restart(&mut self, order: &Order) -> Result<(), LoadError> {
        let Some(mut started) = self.started.take() else {
            return Err(LoadError::Arguments("only a server of our own is restarted".to_owned()));
        };
        stop(&mut started.child).map_err(|error| LoadError::setup("the server's end", &error))?;
        let folder = std::mem::replace(&mut started.folder, Folder(PathBuf::new()));
        *self = Self::start(order, folder)?;
        Ok(())
    }

    /// What a server that was started here said last, and whether it is gone: why a load test came
    /// to nothing may stand there.
    pub(super) fn last_words(&mut self) -> Option<String> {
        let started = self.started.as_mut()?;
        let log = fs::read_to_string(started.folder.0.join("log")).unwrap_or_default();
        // The first lines are the banner.
        let lines: Vec<_> = log.lines().filter(|line| !line.starts_with("  ")).skip(1).collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        match started.child.try_wait() {
            Ok(Some(status)) => Some(format!("it ended with {status}\n{last}")),
            _ => (!last.is_empty()).then_some(last),
        }
    }

    fn start(order: &Order, folder: Folder) -> Result<Self, LoadError> {
        let setup = |error: io::Error| LoadError::setup("a server", &error);
        let mut command = program(order, &folder).map_err(setup)?;
        let log = File::create(folder.0.join("log")).map_err(setup)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = system::on_core(order.server_core, || command.spawn()).map_err(setup)?;
        let mut stdout = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).map_err(setup)?;
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            child.wait().ok();
            let log = fs::read_to_string(folder.0.join("log")).unwrap_or_default();
            return Err(LoadError::server(format!("does not start: {}", log.trim())));
        };
        let (target, processes) = (Target::parse(url)?, Processes(vec![child.id()]));
        Ok(Self { target, processes, started: Some(Started { child, _stdout: stdout, folder }) })
    }
}

fn program(order: &Order, folder: &Folder) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars() {
        if OURS.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    if order.adapter == Adapter::Limit {
        command.args([limit::COMMAND, "127.0.0.1:0"]);
    } else {
        // As variables, so that arguments may say otherwise.
        command.envs([("TAILWATER_WORKERS", "0"), ("TAILWATER_LOG", "warn")]);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(folder.0.join("data")).args(&order.server_arguments);
    }
    Ok(command)
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to kill.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[cfg(unix)]
fn stop(child: &mut Child) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    kill_process(Pid::from_child(child), Signal::TERM)?;
    child.wait().map(drop)
}

#[cfg(not(unix))]
fn stop(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

/// A folder that is gone when it is no longer needed.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, LoadError> {
        let name = format!("tailwater-loadtest-{}-{:x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).map_err(|error| LoadError::setup("a temporary folder", &error))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            fs::remove_dir_all(&self.0).ok();
        }
    }
}
