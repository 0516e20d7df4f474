//! A cluster in place of a server, with `TAILWATER_TEST_CLUSTER=1`: three nodes that share a schema of
//! Postgres, a stream of `JetStream` and a folder of files, and an nginx before them that sends each
//! request to the next one.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use tailwater::config::Settings;

/// How many nodes there are.
const NODES: usize = 3;

/// Whether a server of the tests is a cluster.
pub fn is_cluster() -> bool {
    std::env::var_os("TAILWATER_TEST_CLUSTER").is_some()
}

/// What a server is called at what it shares with those of other tests: by its data folder.
pub fn name(data: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    format!("t{:016x}", hasher.finish())
}

fn servers() -> String {
    std::env::var("TAILWATER_TEST_EVENTS").expect("scripts/with-nats runs the tests of a cluster")
}

/// Where the nodes of the cluster with this data folder have their events.
pub fn events(data: &Path) -> String {
    format!("{}/{}", servers(), name(data))
}

/// The folder of files that the nodes share.
pub fn files(data: &Path) -> PathBuf {
    let files = data.join("artifacts");
    std::fs::create_dir_all(&files).expect("a folder for files");
    files
}

/// The nodes' own data folders, below the cluster's.
pub fn folders(data: &Path) -> Vec<PathBuf> {
    let folder = |number| {
        let folder = data.join(format!("node-{number}"));
        std::fs::create_dir_all(&folder).expect("a folder for a node");
        folder
    };
    (1..=NODES).map(folder).collect()
}

/// The settings of each node of the cluster that has these. Its workers are spread over the nodes: with one,
/// it is the first node that runs jobs.
pub fn nodes(settings: &Settings) -> Vec<Settings> {
    let files = || files(&settings.data).display().to_string().parse().expect("a folder");
    let workers = |number| {
        settings.workers / NODES as u32 + u32::from(number < settings.workers as usize % NODES)
    };
    let node = |(number, data)| Settings {
        data,
        workers: workers(number),
        listen: "127.0.0.1:0".parse().expect("an address"),
        events: settings.events.clone().or_else(|| events(&settings.data).parse().ok()),
        artifacts: settings.artifacts.clone().or_else(|| Some(files())),
        ..settings.clone()
    };
    folders(&settings.data).into_iter().enumerate().map(node).collect()
}

/// The events of a cluster, which go with the last that may need them: hundreds of streams, with three
/// replicas each, would be a burden on the tests that follow.
#[derive(Debug)]
pub struct Stream {
    name: String,
}

impl Stream {
    /// Those of the cluster with this data folder.
    pub fn of(data: &Path) -> Self {
        Self { name: name(data) }
    }

    /// Deletes them, as an operator does who has lost them.
    pub fn delete(&self) {
        delete(&self.name).expect("NATS answers");
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It may not have come to be.
        delete(&self.name).ok();
    }
}

/// Deletes a stream, without the runtime that may be over by now.
fn delete(name: &str) -> std::io::Result<()> {
    let servers = servers();
    let server = servers.split(',').next().unwrap_or_default();
    let connection = TcpStream::connect(server.trim_start_matches("nats://"))?;
    connection.set_read_timeout(Some(super::PATIENCE))?;
    let words = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB $JS.API.STREAM.DELETE.{name} answer 0\r\n\r\n"
    );
    (&connection).write_all(words.as_bytes())?;
    for line in BufReader::new(connection).lines() {
        let line = line?;
        if line.starts_with("MSG answer") || line.starts_with("-ERR") {
            break;
        }
    }
    Ok(())
}
