//! `tailwater backup` and `tailwater restore`: made beside a server at work, restored for another one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::process::{Process, command};
use crate::harness::{PATIENCE, Reader, client};

/// How many events of the job are durable before the backup is begun, at least.
const BEFORE: u64 = 200;

/// How a command ended, and what it said.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the program.
async fn run(arguments: &[&str]) -> Ended {
    let mut command = command();
    command.args(arguments);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends");
    let output = output.expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn name(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

/// A backup, which must be made.
async fn back_up(data: &Path, target: &Path, more: &[&str]) -> Value {
    let arguments = [&["backup", name(target), "--json", "--data", name(data)], more].concat();
    let ended = run(&arguments).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).expect("JSON")
}

async fn restore(source: &Path, data: &Path, more: &[&str]) -> Ended {
    run(&[&["restore", name(source), "--data", name(data)], more].concat()).await
}

/// A server with its folder.
struct Server {
    process: Process,
    http: reqwest::Client,
}

impl Server {
    async fn on(data: &Path, flags: &[&str]) -> Self {
        Self { process: Process::serve(data, "127.0.0.1:0", flags).await, http: client() }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.process.address)
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.http.get(self.url(path)).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.expect("JSON")
    }

    async fn submit(&self, body: &Value) -> String {
        let request = self.http.post(self.url("/api/jobs")).json(body);
        let answer = request.send().await.expect("an answer").json::<Value>().await.expect("JSON");
        answer["job_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Pushes an event, and waits until it is durable; gives its id.
    async fn push(&self, job: &str, n: u64) -> Option<u64> {
        let event = json!({ "type": "step", "data": { "n": n }, "producer_seq": n });
        let url = self.url(&format!("/api/jobs/{job}/events?durable=true"));
        let response = self.http.post(url).json(&event).send().await.ok()?;
        let answer = response.json::<Value>().await.ok()?;
        assert_eq!(answer["durable"], true, "{answer}");
        answer["last_id"].as_u64()
    }

    /// Every event of a job.
    async fn events(&self, job: &str) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event["id"].as_u64().expect("an id"));
            let path = format!("/api/jobs/{job}/events?after={after}&limit=1000");
            let page = self.get(&path).await["events"].as_array().expect("events").clone();
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }

    async fn bytes(&self, url: &Value) -> Vec<u8> {
        let url = self.url(url.as_str().expect("an address"));
        let response = self.http.get(url).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        response.bytes().await.expect("a body").into()
    }

    async fn stop(self) {
        assert_eq!(self.process.terminate().await, Some(0));
    }
}

/// A data folder with a post, its files and an upload; no server has it.
async fn small_data() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    let server = Server::on(&data, &["--simulator-speed", "1000"]).await;
    let job = server.submit(&blog("a small one")).await;
    let mut reader =
        Reader::open(&server.http, &server.url(&format!("/api/jobs/{job}/stream")), None).await;
    assert_eq!(reader.read_to_end().await.last().expect("an end").event, "completed");
    server.stop().await;
    (folder, data)
}

fn blog(topic: &str) -> Value {
    json!({ "kind": "blog", "input": { "topic": topic, "words": 120, "voiceover": true } })
}

/// Everything in a folder but settings of the test's: that a refusal has changed nothing.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_durable_when_the_backup_was_made_is_there_again_and_what_came_later_is_a_gap() {
    let folder = TempDir::new().expect("a temporary folder");
    let [data, target, other] = ["data", "backup", "other"].map(|name| folder.path().join(name));
    let server = Arc::new(Server::on(&data, &["--simulator-speed", "1000"]).await);
    let done = server.submit(&blog("how tides work")).await;
    let stream = server.url(&format!("/api/jobs/{done}/stream"));
    Reader::open(&server.http, &stream, None).await.read_to_end().await;
    let external = server.submit(&json!({ "kind": "external" })).await;

    // A producer that does not stop, and posts that are being written.
    let stop = Arc::new(AtomicBool::new(false));
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let load = tokio::spawn({
        let (server, job, stop) = (Arc::clone(&server), external.clone(), Arc::clone(&stop));
        async move {
            let (mut ready, mut last) = (Some(ready), 0);
            for n in 1.. {
                last = server.push(&job, n).await.expect("the server takes it");
                if n == BEFORE {
                    ready.take().expect("once").send(()).expect("the test waits");
                }
                if stop.load(Ordering::Acquire) {
                    break;
                }
            }
            last
        }
    });
    is_ready.await.expect("the producer goes on");
    for n in 0..3 {
        server.submit(&blog(&format!("post {n}"))).await;
    }
    let durable_before = server.events(&external).await;
    let manifest = back_up(&data, &target, &[]).await;
    let after = server.push_one_more(&external, &stop, load).await;
    let server = Arc::into_inner(server).expect("the producer is done");
    let view = server.get(&format!("/api/jobs/{done}")).await;
    let all = server.events(&external).await;
    server.stop().await;

    let ended = restore(&target, &other, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let server = Server::on(&other, &["--simulator-speed", "1000"]).await;

    // The post, with every file as it was.
    let restored = server.get(&format!("/api/jobs/{done}")).await;
    assert_eq!(restored["artifacts"], view["artifacts"]);
    assert_eq!((&restored["status"], &restored["text"]), (&json!("completed"), &view["text"]));
    for file in restored["artifacts"].as_array().expect("files") {
        assert_eq!(json!(server.bytes(&file["url"]).await.len()), file["bytes"]);
    }
    // The producer's job: all that was durable, and nothing that was never said.
    let events = server.events(&external).await;
    let head = manifest["head"].as_u64().expect("an id");
    assert!(events.len() >= durable_before.len() && durable_before.len() as u64 >= BEFORE);
    assert_eq!(events[..], all[..events.len()], "the same events, under the same ids");
    assert!(events.iter().all(|event| event["id"].as_u64() <= Some(head)));
    assert!(after > head, "the producer went on after the backup");

    // Whoever has more than the backup is told, and new ids are above all that there ever were.
    let url = server.url(&format!("/api/jobs/{external}/stream"));
    let mut reader = Reader::open(&server.http, &url, Some(&after.to_string())).await;
    let gap = reader.until("gap").await.data;
    assert_eq!((&gap["reason"], &gap["from"]), (&json!("lost_in_crash"), &json!(after)));
    let steps = events.iter().filter(|event| event["type"] == "step").count();
    let next = steps as u64 + 1;
    let new = server.push(&external, next).await.expect("an id");
    assert!(new >> 32 >= (after >> 32) + 1_000, "{new} is not far enough above {after}");
    // Of a life that began after the backup was made.
    let unknown = (((after >> 32) + 1) << 32) | 5;
    let page = server.get(&format!("/api/jobs/{external}/events?after={unknown}")).await;
    assert_eq!(page["gap"]["reason"], "unknown_epoch", "{page}");
    server.stop().await;
}

impl Server {
    /// Lets the producer push at least once more, and stops it; gives its last id.
    async fn push_one_more(
        &self,
        job: &str,
        stop: &AtomicBool,
        load: tokio::task::JoinHandle<u64>,
    ) -> u64 {
        let before = self.get(&format!("/api/jobs/{job}")).await["last_event_id"].clone();
        while self.get(&format!("/api/jobs/{job}")).await["last_event_id"] == before {
            tokio::task::yield_now().await;
        }
        stop.store(true, Ordering::Release);
        load.await.expect("the producer ends")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_ran_when_the_backup_was_made_is_run_again() {
    let folder = TempDir::new().expect("a temporary folder");
    let [data, target, other] = ["data", "backup", "other"].map(|name| folder.path().join(name));
    // Slow enough that it is still at work when the backup is made.
    let server = Server::on(&data, &["--simulator-speed", "0.1"]).await;
    let job = server.submit(&blog("a long one")).await;
    let url = server.url(&format!("/api/jobs/{job}/stream"));
    Reader::open(&server.http, &url, None).await.until("content").await;
    back_up(&data, &target, &[]).await;
    server.process.kill().await;

    let ended = restore(&target, &other, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let server = Server::on(&other, &["--simulator-speed", "1000"]).await;
    let url = server.url(&format!("/api/jobs/{job}/stream"));
    let messages = Reader::open(&server.http, &url, None).await.read_to_end().await;
    assert_eq!(messages.last().expect("an end").event, "completed");
    let view = server.get(&format!("/api/jobs/{job}")).await;
    assert_eq!((&view["attempt"], &view["status"]), (&json!(2), &json!("completed")));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_damaged_or_not_finished_is_refused_and_nothing_is_written() {
    let (folder, data) = small_data().await;
    let [target, other] = ["backup", "other"].map(|name| folder.path().join(name));
    let manifest = back_up(&data, &target, &[]).await;
    assert_eq!((&manifest["files"], &manifest["jobs"]), (&json!(3), &json!(1)), "{manifest}");
    let checked = tokio::process::Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(&target)
        .output();
    assert!(checked.await.expect("sha256sum runs").status.success());

    let list = fs::read_to_string(target.join("SHA256SUMS")).expect("the list");
    let of_job = list.lines().find_map(|line| line.split_once("  artifacts/"));
    let file = format!("artifacts/{}", of_job.expect("a file").1);
    for name in ["tailwater.db", &file, "SHA256SUMS"] {
        let path = target.join(name);
        let whole = fs::read(&path).expect("it is there");
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("writable");
        let ended = restore(&target, &other, &[]).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("is damaged") && ended.stderr.contains(name), "{ended:?}");
        assert!(!other.exists(), "{name}");
        fs::remove_file(&path).expect("it is there");
        let ended = restore(&target, &other, &[]).await;
        assert!(ended.code == Some(2) && ended.stderr.contains(name), "{ended:?}");
        assert!(!other.exists(), "{name}");
        fs::write(&path, whole).expect("writable");
    }
    let path = target.join("manifest.json");
    let whole = fs::read(&path).expect("it is there");
    fs::write(&path, &whole[..20]).expect("writable");
    let ended = restore(&target, &other, &[]).await;
    assert!(ended.code == Some(2) && ended.stderr.contains("manifest.json"), "{ended:?}");
    fs::remove_file(&path).expect("it is there");
    let ended = restore(&target, &other, &[]).await;
    assert!(ended.code == Some(2) && ended.stderr.contains("no whole backup"), "{ended:?}");
    assert!(!other.exists());
    fs::write(&path, whole).expect("writable");
    assert_eq!(restore(&target, &other, &[]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_gone_are_told_and_files_can_be_left_out() {
    let (folder, data) = small_data().await;
    let [target, alone, other] = ["backup", "alone", "other"].map(|name| folder.path().join(name));
    let whole = back_up(&data, &alone, &["--no-files"]).await;
    assert_eq!(whole["files"], 0);
    assert!(whole["files_in"].as_str().expect("a folder").ends_with("artifacts"), "{whole}");
    assert_eq!(names(&alone), ["SHA256SUMS", "manifest.json", "tailwater.db"]);

    let list = data.join("artifacts");
    let job = names(&list).into_iter().find(|name| name.starts_with("job_")).expect("a job");
    let run = list.join(&job).join("1");
    let gone = names(&run).remove(0);
    fs::remove_file(run.join(&gone)).expect("it is there");
    let ended = self::run(&["backup", name(&target), "--data", name(&data)]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains(&format!("{job}/1/{gone}")), "{ended:?}");
    assert!(ended.stdout.contains("1 jobs, 2 files"), "{ended:?}");

    let ended = restore(&alone, &other, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("files are not in the backup"), "{ended:?}");
    assert_eq!(names(&other), ["tailwater.db", "tailwater.lock"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_backup_is_made_over_anything_and_none_is_restored_over_anything() {
    let (folder, data) = small_data().await;
    let target = folder.path().join("backup");
    let nowhere = folder.path().join("nowhere");
    back_up(&data, &target, &[]).await;
    let before = names(&data);
    let postgres = ["--database", "postgres://me:secret@127.0.0.1:1/tailwater"];
    for (arguments, part) in [
        (&["backup", name(&target), "--data", name(&data)][..], "is not empty"),
        (&["backup", name(&data), "--data", name(&data)], "is not empty"),
        (&["backup", name(&target.join("manifest.json")), "--data", name(&data)], "cannot use"),
        (&["backup", name(&nowhere), "--data", name(&nowhere)], "there is no database"),
        (&["restore", name(&target), "--data", name(&data)], "holds a server's data already"),
        (&["restore", name(&data), "--data", name(&nowhere)], "no whole backup"),
        (&["restore", name(&nowhere), "--data", name(&nowhere)], "cannot read"),
        (&["backup", name(&nowhere), postgres[0], postgres[1]], "pg_dump"),
        (&["restore", name(&target), postgres[0], postgres[1]], "pg_restore"),
    ] {
        let ended = run(arguments).await;
        assert!(matches!(ended.code, Some(1 | 2)), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(part), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.contains("secret") && ended.stdout.is_empty(), "{ended:?}");
    }
    assert_eq!(names(&data), before);
    assert!(!nowhere.exists());

    // A server has the folder, though there is no database in it any more.
    let other = folder.path().join("other");
    let server = Server::on(&other, &[]).await;
    let ended = restore(&target, &other, &[]).await;
    assert!(ended.code == Some(2) && ended.stderr.contains("another server"), "{ended:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_later_version_names_that_version() {
    let (folder, data) = small_data().await;
    let [target, other] = ["backup", "other"].map(|name| folder.path().join(name));
    let mut manifest = back_up(&data, &target, &[]).await;
    manifest["schema"] = json!(9_000);
    manifest["tailwater"] = json!("7.1.0");
    fs::write(target.join("manifest.json"), manifest.to_string()).expect("writable");
    let ended = restore(&target, &other, &[]).await;
    assert!(ended.code == Some(2) && ended.stderr.contains("tailwater 7.1.0"), "{ended:?}");
    assert!(!other.exists());
}
