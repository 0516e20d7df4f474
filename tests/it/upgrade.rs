//! Databases of earlier versions, brought up to date by a start.
//!
//! `fixtures/schema-9` was written by the program as it was before migration 10: how is in its `README.md`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use crate::harness::Reader;
use crate::harness::client;
use crate::harness::process::{Process, command};

fn in_sources(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A data folder as that version left it, and what it said of it.
fn left_behind() -> (TempDir, PathBuf, Value) {
    let fixture = in_sources("tests/it/fixtures/schema-9");
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    copy(&fixture.join("data"), &data);
    let said = fs::read_to_string(fixture.join("said.json")).expect("the fixture");
    (folder, data, serde_json::from_str(&said).expect("JSON"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the fixture") {
        let entry = entry.expect("readable");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

struct Server {
    process: Process,
    http: reqwest::Client,
}

impl Server {
    async fn on(data: &Path) -> Self {
        // What is years old is to be there too.
        let flags = ["--simulator-speed", "1000", "--retention-database", "3650d"];
        Self { process: Process::serve(data, "127.0.0.1:0", &flags).await, http: client() }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.process.address)
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.http.get(self.url(path)).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.expect("JSON")
    }
}

/// What is to be the same of a job: all that the earlier version said of it but where it is now.
fn lasting(view: &Value) -> Value {
    let members = ["id", "kind", "status", "attempt", "progress", "text", "artifacts", "result"];
    members.iter().map(|name| ((*name).to_owned(), view[name].clone())).collect()
}

async fn everything_is_there(data: &Path, said: &Value) {
    let server = Server::on(data).await;
    for old in said["jobs"].as_array().expect("jobs") {
        let id = old["view"]["id"].as_str().expect("an id");
        let view = server.get(&format!("/api/jobs/{id}")).await;
        assert_eq!(lasting(&view), lasting(&old["view"]));
        let events = server.get(&format!("/api/jobs/{id}/events?limit=1000")).await;
        assert_eq!(events["events"], old["events"]["events"], "under the same ids");
        for file in view["artifacts"].as_array().expect("files") {
            let url = server.url(file["url"].as_str().expect("an address"));
            let bytes = server.http.get(url).send().await.expect("an answer").bytes().await;
            assert_eq!(json!(bytes.expect("a body").len()), file["bytes"], "{file}");
        }
    }
    assert_eq!(server.get("/api/credits").await, said["credits"]);
    let ledger = server.get("/api/credits/ledger").await;
    assert_eq!(ledger["entries"], said["ledger"]["entries"]);

    // The job that ran when that version was killed is run again, to its end.
    let running = said["running"].as_str().expect("an id");
    let stream = server.url(&format!("/api/jobs/{running}/stream"));
    let messages = Reader::open(&server.http, &stream, None).await.read_to_end().await;
    assert_eq!(messages.last().expect("an end").event, "completed");
    // The producer goes on where it was.
    let open = said["open"].as_str().expect("an id");
    let event = json!({ "type": "step", "data": { "n": 4 }, "producer_seq": 4 });
    let url = server.url(&format!("/api/jobs/{open}/events?durable=true"));
    let answer = server.http.post(url).json(&event).send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    let before = said["head"].as_u64().expect("an id");
    assert!(answer["last_id"].as_u64().expect("an id") >> 32 > before >> 32, "{answer}");
    assert_eq!(server.process.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_version_wrote_is_there_after_an_upgrade() {
    let (_folder, data, said) = left_behind();
    everything_is_there(&data, &said).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_an_earlier_version_is_restored_and_brought_up_to_date() {
    let (folder, data, said) = left_behind();
    let [target, other] = ["backup", "other"].map(|name| folder.path().join(name));
    // By this version: what is there is copied as it is.
    for (what, from, data) in [("backup", &target, &data), ("restore", &target, &other)] {
        let mut command = command();
        let ended = command.arg(what).arg(from).arg("--data").arg(data).output().await;
        let ended = ended.expect("it starts");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{said}");
        assert!(what == "backup" || said.contains("from version 9 to"), "{said}");
    }
    everything_is_there(&other, &said).await;
}

/// The tables of every version that there was, by its own migrations, with rows as other programs write
/// them: those are the columns that have always been there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tables_of_every_earlier_version_are_brought_up_to_date() {
    let mut scripts: Vec<PathBuf> = fs::read_dir(in_sources("migrations/sqlite"))
        .expect("the migrations")
        .map(|entry| entry.expect("readable").path())
        .collect();
    scripts.sort();
    for version in 1..=scripts.len() {
        let folder = TempDir::new().expect("a temporary folder");
        let [data, migrations] = ["data", "migrations"].map(|name| folder.path().join(name));
        for path in [&data, &migrations] {
            fs::create_dir(path).expect("a folder");
        }
        for script in &scripts[..version] {
            let name = script.file_name().expect("a file");
            fs::copy(script, migrations.join(name)).expect("a copy");
        }
        let options = SqliteConnectOptions::new()
            .filename(data.join(tailwater::db::FILE))
            .create_if_missing(true);
        let mut connection = options.connect().await.expect("a database");
        let migrator = Migrator::new(migrations.as_path()).await.expect("migrations");
        migrator.run_direct(None, &mut connection, false).await.expect("they apply");
        for sql in [
            "insert into epoch (epoch, started_at, last_id) values (1, 1, 4294967300)",
            "insert into job (id, kind, status, attempt, progress, input) values \
                 ('job_old', 'external', 'completed', 1, 100, '{\"n\":1}')",
            "insert into artifact (id, job_id, attempt, kind, name, url, bytes) values \
                 ('file_old', 'job_old', 1, 'image', 'a.png', 'https://example.org/a.png', 3)",
        ] {
            sqlx::query(sql).execute(&mut connection).await.expect("a row");
        }
        connection.close().await.expect("it closes");

        let server = Server::on(&data).await;
        let view = server.get("/api/jobs/job_old").await;
        assert_eq!(view["status"], "completed", "version {version}: {view}");
        assert_eq!(view["artifacts"][0]["url"], "https://example.org/a.png", "{version}: {view}");
        let head = server.get("/readyz").await["head"].as_u64().expect("an id");
        assert!(head > 4_294_967_300, "version {version}");
        assert_eq!(server.process.terminate().await, Some(0));
    }
}
