//! What keeps a server from starting: one sentence on standard error, and exit code 2.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::PATIENCE;
use crate::harness::process::{Process, command};

/// What a command said and how it ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

async fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = command();
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.envs(variables.iter().copied());
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .expect("it ends")
        .expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Asserts that a command fails with one sentence that has these parts.
async fn refused(folder: &Path, arguments: &[&str], parts: &[&str]) {
    refused_with(folder, arguments, &[], parts).await;
}

async fn refused_with(
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
    parts: &[&str],
) {
    let Ended { code, stdout, stderr } = run(folder, arguments, variables).await;
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
    assert!(stderr.starts_with("error: "), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert!(!stderr.contains("os error"), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part:?} is not in {stderr}");
    }
}

fn serve(data: &str) -> [&str; 5] {
    ["serve", "--listen", "127.0.0.1:0", "--data", data]
}

#[tokio::test]
async fn a_port_in_use_is_told_and_the_data_is_not_touched() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["serve", "--listen", &address, "--data", "data"];
    refused(folder.path(), &arguments, &["cannot listen on", &address, "--listen"]).await;
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_written_is_told() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    for data in ["file", "file/below", "file/far/below"] {
        let parts = ["data folder", data, "is a file and no folder"];
        refused(folder.path(), &serve(data), &parts).await;
        refused(folder.path(), &["migrate", "--data", data], &parts).await;
    }
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "mine");
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/artifacts"), "mine").unwrap();
    let parts = ["artifact folder", "is a file and no folder"];
    refused(folder.path(), &serve("data"), &parts).await;
}

#[tokio::test]
async fn a_data_folder_in_use_is_told_and_its_server_goes_on() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let server = Process::alone(&data, "127.0.0.1:0", &[], &[]).await;
    let parts = ["another server uses", "data", "--data"];
    refused(folder.path(), &serve("data"), &parts).await;
    refused(folder.path(), &["migrate", "--data", "data"], &parts).await;
    let health = format!("http://{}/healthz", server.address);
    assert_eq!(crate::harness::client().get(health).send().await.unwrap().status(), 200);
    assert_eq!(server.terminate().await, Some(0));
    // A folder is free again however its server ended.
    let server = Process::alone(&data, "127.0.0.1:0", &[], &[]).await;
    server.kill().await;
    let ended = run(folder.path(), &["migrate", "--data", "data"], &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("is up to date"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_database_from_a_newer_version_is_told_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let first = run(folder.path(), &["migrate", "--data", "data"], &[]).await;
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let file = folder.path().join("data").join(tailwater::db::FILE);
    let mut database = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (9000, 'from the future', true, x'00', 0)",
    )
    .execute(&mut database)
    .await
    .unwrap();
    database.close().await.unwrap();
    let parts = ["newer version", "9000", "tailwater.db"];
    refused(folder.path(), &serve("data"), &parts).await;
    refused(folder.path(), &["migrate", "--data", "data"], &parts).await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let file = folder.path().join("data").join(tailwater::db::FILE);
    fs::write(&file, "My diary. ".repeat(1000)).unwrap();
    refused(folder.path(), &serve("data"), &["cannot open the database", "tailwater.db"]).await;
    assert!(fs::read_to_string(&file).unwrap().starts_with("My diary."));
}

#[tokio::test]
async fn a_broken_settings_file_is_told_with_its_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("tailwater.toml");
    for (text, parts) in [
        (&b"[listen"[..], ["tailwater.toml line 1", "not valid TOML"]),
        (b"# ok\nworkers = \n", ["tailwater.toml line 2", "not valid TOML"]),
        (b"workers = 1\nwrokers = 3", ["line 2: 'wrokers'", "did you mean 'workers'?"]),
        (b"[server]\nlisten = 'x'", ["line 1: 'server'", "not grouped in tables"]),
        (b"workers = 'many'", ["workers cannot be 'many'", "tailwater.toml line 1"]),
        (b"\nworkers = [1]", ["workers cannot be of type array", "line 2"]),
        (b"keep_alive = -5", ["keep_alive cannot be '-5'", "it must be"]),
        (b"listen = '\xff'", ["tailwater.toml cannot be read", "UTF-8"]),
        (b"event_limit = '2M'\njournal_limit = '1M'", ["event_limit (2M)", "journal_limit (1M)"]),
    ] {
        fs::write(&file, text).unwrap();
        for arguments in [&serve("data")[..], &["config"], &["migrate"]] {
            refused(folder.path(), arguments, &parts).await;
        }
    }
    assert!(!folder.path().join("data").exists());
    fs::remove_file(&file).unwrap();
    refused(folder.path(), &["config", "--config", "gone.toml"], &["gone.toml cannot be read"])
        .await;
    refused(folder.path(), &["config", "--config", "."], &["cannot be read"]).await;
}

#[tokio::test]
async fn a_bad_value_is_told_with_its_place_and_what_is_allowed() {
    let folder = TempDir::new().unwrap();
    for (arguments, parts) in [
        (
            ["serve", "--listen", "everywhere"],
            ["listen cannot be 'everywhere' (flag --listen)", "127.0.0.1:8080"],
        ),
        (["serve", "--listen", "127.0.0.1:99999"], ["listen cannot be", "a port"]),
        (["serve", "--workers", "-1"], ["workers cannot be '-1'", "from 0 to 1000"]),
        (["serve", "--workers", "1001"], ["workers cannot be '1001'", "from 0 to 1000"]),
        (["serve", "--simulator", "maybe"], ["simulator cannot be 'maybe'", "'on' or 'off'"]),
        (["serve", "--simulator-speed", "nan"], ["simulator_speed cannot be 'nan'", "from 0.1"]),
        (["serve", "--memory-limit", "1K"], ["memory_limit cannot be '1K'", "16M"]),
        (["serve", "--log", "a=b=c"], ["log cannot be 'a=b=c'", "log filter"]),
        (["serve", "--data", ""], ["data cannot be ''", "folder"]),
    ] {
        refused(folder.path(), &arguments, &parts).await;
    }
    let variables = [("TAILWATER_KEEP_ALIVE", "an hour\n")];
    let parts = ["keep_alive cannot be 'an hour\\n'", "environment TAILWATER_KEEP_ALIVE"];
    refused_with(folder.path(), &["config"], &variables, &parts).await;
}

#[tokio::test]
async fn an_address_that_is_not_ours_is_told() {
    let folder = TempDir::new().unwrap();
    // TEST-NET-1 of RFC 5737: nobody's.
    let arguments = ["serve", "--listen", "192.0.2.1:80", "--data", "data"];
    refused(folder.path(), &arguments, &["192.0.2.1:80", "no such address"]).await;
}

#[tokio::test]
async fn unknown_words_on_the_command_line_are_told_with_what_was_meant() {
    let folder = TempDir::new().unwrap();
    for (arguments, parts) in [
        (&["serve", "--wrokers", "3"][..], ["unexpected argument '--wrokers'", "'--workers'"]),
        (&["serv"], ["unrecognized subcommand 'serv'", "'serve'"]),
        (&["jobs", "--status", "happy"], ["'happy'", "completed"]),
        (&["watch"], ["<JOB|URL>", "--help"]),
        (&["config", "extra"], ["unexpected argument 'extra'", "--help"]),
        (&["completions", "cmd"], ["'cmd'", "powershell"]),
    ] {
        let Ended { code, stdout, stderr } = run(folder.path(), arguments, &[]).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.starts_with("error: "), "{stderr}");
        assert!(parts.iter().all(|part| stderr.contains(part)), "{stderr}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[tokio::test]
async fn a_setting_that_would_do_nothing_is_refused_with_what_it_may_name() {
    let folder = TempDir::new().unwrap();
    for (flag, value, parts) in [
        ("--requests-per-minute", "veo3/text-to-video=5", ["requests_per_minute", "a provider"]),
        ("--requests-per-minute", "replicat=5", ["replicat", "a provider"]),
        ("--concurrency", "veo4=1", ["veo4", "the slug of a model"]),
        ("--catalog", "missing.toml", ["missing.toml", "catalog"]),
    ] {
        let mut arguments = serve("data").to_vec();
        arguments.extend([flag, value]);
        let Ended { code, stderr, .. } = run(folder.path(), &arguments, &[]).await;
        assert_eq!(code, Some(2), "{flag} {value}: {stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{flag} {value}: {stderr}");
        }
    }
}
