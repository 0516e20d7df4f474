//! The services of a cluster: each is a folder, as `scripts/cluster` has written it, and is started,
//! stopped and found by that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Command;

use crate::failure::Failure;
use crate::plan::cluster::COUNT;
use crate::say;

/// Where `scripts/cluster` says that its cluster is.
const FOLDER: &str = "TAILWATER_CLUSTER_DIR";

/// What it says only where services have networks of their own.
const INSIDE: &str = "TAILWATER_CLUSTER_INSIDE";

/// How long a start is tried.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long after a start that failed the next one is tried.
const AGAIN: Duration = Duration::from_millis(500);

/// The line in a service's `start` before which the settings of a node are put in.
const BEFORE: &str = "echo $$ > pid.new";

/// The end of the line that runs a node, before which its flags are put in.
const AFTER: &str = " < /dev/null >> log 2>&1";

/// The services.
#[derive(Debug)]
pub(crate) struct Services {
    folder: PathBuf,
    is_cuttable: bool,
}

impl Services {
    /// Those around this program.
    ///
    /// # Errors
    /// When there are none.
    pub(crate) fn around() -> Result<Self, Failure> {
        let none =
            || Failure::Argument("no cluster around: start it by scripts/chaos cluster".into());
        let folder = std::env::var_os(FOLDER).map(PathBuf::from).ok_or_else(none)?;
        Ok(Self { folder, is_cuttable: std::env::var_os(INSIDE).is_some() })
    }

    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether cables can be pulled.
    pub(crate) const fn is_cuttable(&self) -> bool {
        self.is_cuttable
    }

    /// The names of the nodes.
    pub(crate) fn nodes() -> impl Iterator<Item = String> {
        (1..=COUNT).map(|node| format!("node {node}"))
    }

    /// Where a service is, past every relay.
    ///
    /// # Errors
    /// When its folder does not say so.
    pub(crate) fn address(&self, name: &str) -> Result<SocketAddr, Failure> {
        let text = self.read(name, "inside")?;
        text.trim().parse().map_err(|_| Failure::Server(format!("{name} is at {text:?}")))
    }

    /// Where the database is.
    ///
    /// # Errors
    /// When its folder does not say so.
    pub(crate) fn database(&self) -> Result<String, Failure> {
        Ok(format!("postgres://tailwater@{}/postgres", self.address("postgres")?))
    }

    /// An address of this program's at which every node finds it: by the cable to Postgres, without
    /// which no work is begun anyhow.
    ///
    /// # Errors
    /// When Postgres' folder does not say where that is.
    pub(crate) fn ours(&self) -> Result<IpAddr, Failure> {
        let IpAddr::V4(there) = self.address("postgres")?.ip() else {
            return Err(Failure::Server("Postgres is at no address of IPv4".into()));
        };
        let [a, b, c, _] = there.octets();
        Ok(if self.is_cuttable { [a, b, c, 254].into() } else { there.into() })
    }

    /// Has a node be started with these variables and flags from now on.
    ///
    /// # Errors
    /// When its file cannot be changed.
    pub(crate) fn equip(
        &self,
        name: &str,
        variables: &BTreeMap<String, String>,
        flags: &[String],
    ) -> Result<(), Failure> {
        let start = self.read(name, "start")?;
        let mut settings = String::new();
        for (variable, value) in variables {
            writeln!(settings, "export {variable}='{value}'").expect("a string takes everything");
        }
        let flags: String = flags.iter().map(|flag| format!(" '{flag}'")).collect();
        let equipped = start.replacen(BEFORE, &format!("{settings}{BEFORE}"), 1).replacen(
            AFTER,
            &format!("{flags}{AFTER}"),
            1,
        );
        let path = self.path(name).join("start");
        std::fs::write(path, equipped).map_err(|error| Failure::machine(name, error))
    }

    /// Does something to a service, or starts it, and waits until that is done.
    ///
    /// # Errors
    /// When it cannot be done, in the words of `scripts/cluster`.
    pub(crate) async fn act(&self, action: &str, words: &str) -> Result<(), Failure> {
        // The networks and the relay are only known outside, where the script runs.
        let script = self.read("", "pid")?;
        let outside = format!("--net=/proc/{}/ns/net", script.trim());
        let mut command = match self.is_cuttable {
            true => Command::new("nsenter"),
            false => Command::new("env"),
        };
        if self.is_cuttable {
            command.arg(outside);
        }
        command.arg("scripts/cluster").arg(action).args(words.split(' '));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let failed = |error| Failure::machine(format!("scripts/cluster {action} {words}"), error);
        let done = command.stderr(Stdio::piped()).output().await.map_err(failed)?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            return Err(Failure::Server(format!("{action} {words}: {said}")));
        }
        Ok(())
    }

    /// Starts a service until it stays, as whatever looks after services does: a node ends when what it
    /// stands on does not answer at its start.
    ///
    /// # Errors
    /// When it does not stay for long enough.
    pub(crate) async fn start(&self, name: &str) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            match self.act("start", name).await {
                Err(failure) if began.elapsed() > PATIENCE => return Err(failure),
                Err(failure) => {
                    let last = failure.to_string().trim_end().lines().last().map(str::to_owned);
                    let last = last.unwrap_or_default();
                    say::line(&format!("  a start of {name} as things are ends: {}", last.trim()));
                }
                Ok(()) => return Ok(()),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Does the same to all nodes at once.
    ///
    /// # Errors
    /// When it cannot be done.
    pub(crate) async fn act_on_nodes(&self, action: &str) -> Result<(), Failure> {
        let acts = Self::nodes().map(|name| async move { self.act(action, &name).await });
        futures_util::future::join_all(acts).await.into_iter().collect()
    }

    /// Starts all nodes at once.
    ///
    /// # Errors
    /// When one does not stay.
    pub(crate) async fn start_nodes(&self) -> Result<(), Failure> {
        let starts = Self::nodes().map(|name| async move { self.start(&name).await });
        futures_util::future::join_all(starts).await.into_iter().collect()
    }

    /// Sends a service's process a signal.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) fn signal(&self, name: &str, signal: Signal) -> Result<(), Failure> {
        let gone = || Failure::Server(format!("{name} is gone"));
        let pid = i32::try_from(self.pid(name).ok_or_else(gone)?).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or_else(gone)?, signal)
            .map_err(|error| Failure::machine(name, error.into()))
    }

    /// The process of a service; nothing when it is gone.
    pub(crate) fn pid(&self, name: &str) -> Option<u32> {
        let pid = self.read(name, "pid").ok()?.trim().parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        (!matches!(state, 'Z' | 'X')).then_some(pid)
    }

    /// What a service has said.
    pub(crate) fn log(&self, name: &str) -> String {
        let bytes = std::fs::read(self.path(name).join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The node that archives, as far as the nodes have said.
    pub(crate) fn archiver(&self) -> Option<String> {
        let said = |name: String| {
            let log = self.log(&name);
            let line = log.lines().rfind(|line| line.contains("whether this node archives"))?;
            line.contains("keeps=true").then(|| (line.to_owned(), name))
        };
        // Each line begins with the time.
        Self::nodes().filter_map(said).max().map(|(_, name)| name)
    }

    /// The NATS server that leads the stream.
    pub(crate) async fn leader(&self, http: &reqwest::Client) -> Option<String> {
        for server in 1..=COUNT {
            let name = format!("nats {server}");
            let mut place = self.address(&name).ok()?;
            place.set_port(self.read(&name, "monitor").ok()?.trim().parse().ok()?);
            let url = format!("http://{place}/jsz?streams=true");
            let Ok(answer) = http.get(url).send().await else { continue };
            let Ok(page) = answer.json::<Value>().await else { continue };
            let leader =
                page["account_details"][0]["stream_detail"][0]["cluster"]["leader"].as_str();
            if let Some(leader) = leader {
                return Some(leader.replace('-', " "));
            }
        }
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name.replace(' ', "-"))
    }

    fn read(&self, name: &str, file: &str) -> Result<String, Failure> {
        let path = self.path(name).join(file);
        std::fs::read_to_string(&path)
            .map_err(|error| Failure::machine(path.display().to_string(), error))
    }
}
