//! The program as a process of its own, to be killed.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::PATIENCE;

/// How the variables begin that the program reads.
const OURS: [&str; 8] =
    ["TAILWATER_", "AWS_", "OPENAI_", "REPLICATE_", "FAL_", "RUNWAYML_", "MINIMAX_", "BFL_"];

/// A server process.
pub struct Process {
    pub address: SocketAddr,
    pub child: Child,
    said: Arc<Mutex<String>>,
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
        let database = super::database::address(data).await;
        let mut child = command()
            .envs(database.map(|url| ("TAILWATER_DATABASE", url)))
            .envs(super::bucket::variables(data))
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .args(["serve", "--listen", listen, "--data"])
            .arg(data)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut stderr = child.stderr.take().expect("piped");
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let listening = tokio::spawn(async move {
            let mut bytes = Vec::new();
            while stderr.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                *heard.lock().expect("no panic") = String::from_utf8_lossy(&bytes).into_owned();
            }
        });
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("the server starts").expect("its output can be read");
        let Some(line) = line else {
            listening.await.ok();
            panic!("it does not start: {:?}", said.lock());
        };
        let url = line.strip_prefix("listening on ").expect("the line that scripts read");
        let address = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let address = address.expect("a URL of the web");
        Self { address: address.parse().expect("an address"), child, said, _stdout: lines }
    }

    /// Kills the process as a power cut would, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// What it has said on standard error so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("no panic").clone()
    }

    /// Sends a signal.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([name, &id]).status().await.expect("kill runs");
        assert!(sent.success());
    }

    /// Sends SIGTERM and waits for the exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        self.signal("-TERM").await;
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends");
        status.expect("it can be waited for").code()
    }
}
