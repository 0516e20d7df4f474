//! nginx before the nodes of a cluster, by the file that users copy.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::PATIENCE;

/// What nginx wants besides that file. One process: whoever kills it leaves nothing behind.
const AROUND: &str = "daemon off;
master_process off;
pid nginx.pid;
error_log error.log warn;
events { worker_connections 16384; }
http {
  client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  include cluster.conf;
}
";

/// The ports it is given: below those of outgoing connections, which come and go.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How often it is looked whether it listens.
const LOOK: Duration = Duration::from_millis(5);

/// An nginx, which goes with this value.
#[derive(Debug)]
pub struct Balancer {
    pub address: SocketAddr,
    _child: Child,
}

impl Balancer {
    /// Starts one before these nodes, with its files in a folder; port 0 is any port.
    pub async fn start(folder: &Path, listen: SocketAddr, nodes: &[SocketAddr]) -> Self {
        std::fs::create_dir_all(folder).expect("a folder for nginx");
        std::fs::write(folder.join("nginx.conf"), AROUND).expect("a file");
        loop {
            let address = if listen.port() == 0 { free_address() } else { listen };
            std::fs::write(folder.join("cluster.conf"), ours(address, nodes)).expect("a file");
            if let Some(child) = run(folder).await {
                return Self { address, _child: child };
            }
            assert_eq!(listen.port(), 0, "{}", said(folder));
        }
    }
}

/// An address that nobody has. Until it is bound it is only likely to stay free.
pub fn free_address() -> SocketAddr {
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(PORTS)));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn said(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("error.log")).unwrap_or_default()
}

/// Runs it until it listens; nothing where somebody was quicker to take its port.
async fn run(folder: &Path) -> Option<Child> {
    let pid = folder.join("nginx.pid");
    std::fs::remove_file(&pid).ok();
    let mut child = Command::new(program())
        .args(["-c", "nginx.conf", "-e", "error.log", "-p"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("nginx runs: Debian's package nginx-light has it");
    // It is written when the port is taken.
    let listens = async {
        while !std::fs::metadata(&pid).is_ok_and(|file| file.len() > 0) {
            if child.try_wait().expect("it is ours").is_some() {
                assert!(said(folder).contains("in use"), "{}", said(folder));
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
        true
    };
    let listens = tokio::time::timeout(PATIENCE, listens).await.expect("nginx starts");
    listens.then_some(child)
}

/// Its folder is not on everybody's path.
fn program() -> &'static str {
    let there = "/usr/sbin/nginx";
    if Path::new(there).exists() { there } else { "nginx" }
}

/// The users' file with our addresses in it.
fn ours(address: SocketAddr, nodes: &[SocketAddr]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/nginx-cluster.conf");
    let mut text = std::fs::read_to_string(file).expect("the users' file");
    for (number, node) in (1..).zip(nodes) {
        replace(&mut text, &format!("tailwater-{number}:8080"), &node.to_string());
    }
    replace(&mut text, "listen 80;", &format!("listen {address};"));
    replace(&mut text, "/var/log/nginx/access.log", "access.log");
    text
}

fn replace(text: &mut String, theirs: &str, ours: &str) {
    assert_eq!(text.matches(theirs).count(), 1, "{theirs} has one place");
    *text = text.replace(theirs, ours);
}
