//! What every run begins with: a folder, providers, a server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::clock::Clock;
use crate::failure::Failure;
use crate::options::Options;
use crate::say;
use crate::server::{Server, Setup, quiet_port};

/// Where everything is that has no network of its own.
pub(super) const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The folder of a run, which is gone at its end unless something was wrong.
#[derive(Debug)]
pub(super) struct Stage {
    folder: TempDir,
}

impl Stage {
    /// A fresh folder.
    ///
    /// # Errors
    /// When none can be made.
    pub(super) fn new() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("tailwater-chaos-").tempdir();
        Ok(Self { folder: folder.map_err(|error| Failure::machine("a folder", error))? })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps it for people to look at: the database, the artifacts, the log.
    pub(super) fn keep(mut self, data: &Path) {
        self.folder.disable_cleanup(true);
        let kept = self.path().join("kept");
        // The disk under the data goes with this process.
        let copied = std::process::Command::new("cp").arg("-a").arg(data).arg(&kept).status();
        let where_to = if copied.is_ok_and(|status| status.success()) { &kept } else { data };
        say::line(&format!("kept: {} (log: {})", where_to.display(), self.log().display()));
    }

    /// The server's log.
    pub(super) fn log(&self) -> PathBuf {
        self.path().join("server.log")
    }

    /// A server with these flags and variables, its data in this folder.
    ///
    /// # Errors
    /// When there is no program, or no port.
    pub(super) fn server(
        &self,
        options: &Options,
        data: PathBuf,
        flags: &[&str],
        variables: BTreeMap<String, String>,
        clock: Option<Clock>,
    ) -> Result<Server, Failure> {
        Ok(Server::new(Setup {
            program: program(options)?,
            address: quiet_port()?,
            data,
            log: self.log(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            variables,
            clock,
        }))
    }
}

/// The server's program: the one that is named, else the one beside this.
///
/// # Errors
/// When there is none.
pub(super) fn program(options: &Options) -> Result<PathBuf, Failure> {
    let beside = || Some(std::env::current_exe().ok()?.with_file_name("tailwater"));
    let program = options.tailwater.clone().or_else(beside).filter(|path| path.exists());
    let none = "there is no tailwater beside this program: build it, or say --tailwater FILE";
    program.ok_or_else(|| Failure::Argument(none.to_owned()))
}
