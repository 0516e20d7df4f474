//! The program as a process of its own, to be killed.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::balancer::Balancer;
use super::cluster::{self, Stream};
use super::{PATIENCE, bucket, database};

/// How the variables begin that the program reads.
const OURS: [&str; 8] =
    ["TAILWATER_", "AWS_", "OPENAI_", "REPLICATE_", "FAL_", "RUNWAYML_", "MINIMAX_", "BFL_"];

/// A server process; or those of a cluster in its place.
pub struct Process {
    pub address: SocketAddr,
    nodes: Vec<One>,
    balancer: Option<Balancer>,
    stream: Option<Stream>,
}

/// One process.
struct One {
    address: SocketAddr,
    child: Child,
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
        if !cluster::is_cluster() {
            return Self::alone(data, listen, more, variables).await;
        }
        let database = database::address(data).await.expect("a cluster has a Postgres");
        let mut variables = variables.to_vec();
        variables.push(("TAILWATER_DATABASE", database));
        variables.push(("TAILWATER_EVENTS", cluster::events(data)));
        variables.push(("TAILWATER_ARTIFACTS", cluster::files(data).display().to_string()));
        variables.extend(bucket::variables(data));
        let folders = cluster::folders(data);
        let node = |folder| One::serve(folder, "127.0.0.1:0", more, &variables);
        let nodes = join_all(folders.iter().map(|folder| node(folder))).await;
        let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
        let listen = listen.parse().expect("an address");
        let balancer = Balancer::start(&data.join("nginx"), listen, &addresses).await;
        let stream = Some(Stream::of(data));
        Self { address: balancer.address, nodes, balancer: Some(balancer), stream }
    }

    /// Starts a single server, of which there is only one whatever the others of the tests are.
    pub async fn alone(
        data: &Path,
        listen: &str,
        more: &[&str],
        variables: &[(&str, String)],
    ) -> Self {
        let mut variables = variables.to_vec();
        let database = database::address(data).await;
        variables.extend(database.map(|url| ("TAILWATER_DATABASE", url)));
        variables.extend(bucket::variables(data));
        let one = One::serve(data, listen, more, &variables).await;
        Self { address: one.address, nodes: vec![one], balancer: None, stream: None }
    }

    /// Kills the process as a power cut would, and waits until it is gone.
    pub async fn kill(mut self) {
        self.keep_stream();
        for node in &mut self.nodes {
            node.child.kill().await.expect("it can be killed");
        }
    }

    /// Another one may go on with it.
    fn keep_stream(&mut self) {
        std::mem::forget(self.stream.take());
    }

    /// What it has said on standard error so far.
    pub fn said(&self) -> String {
        self.nodes.iter().map(|node| node.said.lock().expect("no panic").clone()).collect()
    }

    /// Its number at the system; of a cluster, the first node's.
    pub fn id(&self) -> Option<u32> {
        self.nodes[0].child.id()
    }

    /// Sends a signal.
    pub async fn signal(&self, name: &str) {
        for node in &self.nodes {
            let id = node.child.id().expect("it runs").to_string();
            let sent = Command::new("kill").args([name, &id]).status().await.expect("kill runs");
            assert!(sent.success());
        }
    }

    /// Waits until it has ended; gives the exit code, of a cluster one that is not 0 where there is one.
    pub async fn wait(&mut self) -> Option<i32> {
        let mut code = Some(0);
        for node in &mut self.nodes {
            let ended = tokio::time::timeout(PATIENCE, node.child.wait()).await.expect("it ends");
            let own = ended.expect("it can be waited for").code();
            code = if own == Some(0) { code } else { own };
        }
        code
    }

    /// Sends SIGTERM and waits for the exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        self.keep_stream();
        self.signal("-TERM").await;
        let code = self.wait().await;
        drop(self.balancer);
        code
    }
}

impl One {
    async fn serve(data: &Path, listen: &str, more: &[&str], variables: &[(&str, String)]) -> Self {
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
}
