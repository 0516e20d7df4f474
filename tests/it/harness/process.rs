//! The program as a process of its own, to be killed.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::PATIENCE;

/// How the variables begin that the program reads.
const OURS: [&str; 7] =
    ["TAILWATER_", "OPENAI_", "REPLICATE_", "FAL_", "RUNWAYML_", "MINIMAX_", "BFL_"];

/// A server process.
pub struct Process {
    pub address: SocketAddr,
    pub child: Child,
    _stdout: tokio::io::Lines<BufReader<ChildStdout>>,
}

/// The program, with nothing of this machine's environment that would change it.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    for (name, _) in std::env::vars() {
        if OURS.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.kill_on_drop(true);
    command
}

impl Process {
    /// Starts a server and waits until it listens.
    pub async fn serve(data: &Path, listen: &str, more: &[&str]) -> Self {
        Self::serve_with(data, listen, more, &[]).await
    }

    /// The same with variables of the environment.
    pub async fn serve_with(
        data: &Path,
        listen: &str,
        more: &[&str],
        variables: &[(&str, String)],
    ) -> Self {
        let mut child = command()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .args(["serve", "--listen", listen, "--data"])
            .arg(data)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut stderr = child.stderr.take().expect("piped");
        let said = tokio::spawn(async move {
            let mut said = String::new();
            stderr.read_to_string(&mut said).await.map(|_| said)
        });
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("the server starts").expect("its output can be read");
        let Some(line) = line else { panic!("it does not start: {:?}", said.await) };
        let address =
            line.strip_prefix("listening on http://").expect("the line that scripts read");
        Self { address: address.parse().expect("an address"), child, _stdout: lines }
    }

    /// Kills the process as a power cut would, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Sends SIGTERM and waits for the exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
        assert!(sent.success());
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends");
        status.expect("it can be waited for").code()
    }
}
