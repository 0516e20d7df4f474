//! `tailwater config`: every effective setting, where it comes from, and no secret.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::process::command;

/// What `tailwater config` prints in this folder; it must succeed.
async fn config(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (String, String) {
    let mut command = command();
    command.arg("config").args(arguments).current_dir(folder).envs(variables.iter().copied());
    let output = command.output().await.expect("it starts");
    let (stdout, stderr) = (
        String::from_utf8(output.stdout).expect("UTF-8"),
        String::from_utf8(output.stderr).expect("UTF-8"),
    );
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    (stdout, stderr)
}

async fn report(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&config(folder, &arguments, variables).await.0).expect("JSON")
}

#[tokio::test]
async fn flags_win_over_variables_over_the_file_over_defaults() {
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("tailwater.toml"),
        "workers = 5\nkeep_alive = '2s'\ndata = './d'\n",
    )
    .unwrap();
    let variables = [("TAILWATER_WORKERS", "6"), ("TAILWATER_KEEP_ALIVE", "3s")];
    let report = report(folder.path(), &["--workers", "7"], &variables).await;
    for (name, value, origin) in [
        ("workers", "7", "flag --workers"),
        ("keep_alive", "3s", "environment TAILWATER_KEEP_ALIVE"),
        ("data", "./d", "tailwater.toml line 3"),
        ("listen", "127.0.0.1:8080", "default"),
    ] {
        assert_eq!(report[name]["value"], value, "{name}");
        assert_eq!(report[name]["origin"], origin, "{name}");
    }
}

#[tokio::test]
async fn another_file_is_named_by_flag_or_variable_and_the_flag_wins() {
    let folder = TempDir::new().unwrap();
    for (name, workers) in [("tailwater.toml", 1), ("a.toml", 2), ("b.toml", 3)] {
        fs::write(folder.path().join(name), format!("workers = {workers}")).unwrap();
    }
    let variable = [("TAILWATER_CONFIG", "a.toml")];
    for (arguments, variables, workers, origin) in [
        (&[][..], &[][..], "1", "tailwater.toml line 1"),
        (&[], &variable, "2", "a.toml line 1"),
        (&["--config", "b.toml"], &variable, "3", "b.toml line 1"),
    ] {
        let report = report(folder.path(), arguments, variables).await;
        assert_eq!(report["workers"]["value"], workers);
        assert_eq!(report["workers"]["origin"], origin);
    }
}

#[tokio::test]
async fn a_secret_is_never_printed_wherever_it_stands() {
    let folder = TempDir::new().unwrap();
    let variables = [("OPENAI_API_KEY", "sk-very-secret")];
    for arguments in [&[][..], &["--json"]] {
        let (stdout, stderr) = config(folder.path(), arguments, &variables).await;
        assert!(stdout.contains("set (hidden)") && stdout.contains("environment OPENAI_API_KEY"));
        assert!(!stdout.contains("very-secret") && !stderr.contains("very-secret"), "{stdout}");
    }
    fs::write(folder.path().join("tailwater.toml"), "openai_api_key = 'sk-very-secret'").unwrap();
    let (stdout, _) = config(folder.path(), &[], &[]).await;
    assert!(stdout.contains("set (hidden)") && !stdout.contains("very-secret"), "{stdout}");
    // Nor by an error about it, or about a URL that holds a password.
    for (name, value) in [
        ("OPENAI_API_KEY", "sk very-secret\n\u{1}"),
        ("TAILWATER_CHAT_BASE_URL", "http://me:very-secret@127.0.0.1/v1"),
    ] {
        let mut command = command();
        command.arg("config").current_dir(folder.path()).env(name, value);
        let output = command.output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains("very-secret"), "{name}");
    }
    // And no flag takes one: command lines are there for everybody to read.
    let help = command().args(["serve", "--help"]).output().await.unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains("api-key"));
}

#[tokio::test]
async fn the_table_has_a_line_for_each_setting_and_its_origin() {
    let folder = TempDir::new().unwrap();
    let (text, _) = config(folder.path(), &[], &[]).await;
    let report = report(folder.path(), &[], &[]).await;
    let report = report.as_object().unwrap();
    assert_eq!(text.lines().count(), report.len());
    for line in text.lines() {
        let name = line.split_whitespace().next().unwrap();
        assert!(report.contains_key(name), "{line}");
        assert!(line.ends_with("default"), "{line}");
    }
}

#[tokio::test]
async fn a_slip_in_a_variable_is_noted_and_harms_nothing() {
    let folder = TempDir::new().unwrap();
    let (stdout, stderr) = config(folder.path(), &[], &[("TAILWATER_WROKERS", "9")]).await;
    assert!(stderr.contains("did you mean TAILWATER_WORKERS?"), "{stderr}");
    let workers = stdout.lines().find(|line| line.starts_with("workers")).unwrap();
    assert!(workers.ends_with("default"), "{workers}");
    assert_eq!(stderr.lines().count(), 1);
}

#[tokio::test]
async fn what_it_prints_can_be_written_into_a_file_and_means_the_same() {
    let folder = TempDir::new().unwrap();
    let first = report(folder.path(), &["--workers", "4", "--keep-alive", "700ms"], &[]).await;
    let settings = first.as_object().unwrap().iter().filter_map(|(name, entry)| {
        let value = entry["value"].as_str()?;
        Some(format!("{name} = {}\n", Value::String(value.into())))
    });
    fs::write(folder.path().join("tailwater.toml"), settings.collect::<String>()).unwrap();
    let second = report(folder.path(), &[], &[]).await;
    for (name, entry) in first.as_object().unwrap() {
        assert_eq!(second[name]["value"], entry["value"], "{name}");
    }
}
