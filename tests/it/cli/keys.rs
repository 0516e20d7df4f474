//! `tailwater keys`, beside a server that runs and one that does not.

use tempfile::TempDir;

use super::*;
use crate::harness::database;

/// A `keys` command in a data folder.
async fn keys(data: &std::path::Path, arguments: &[&str]) -> Ended {
    let mut command = command();
    command.envs(database::address(data).await.map(|url| ("TAILWATER_DATABASE", url)));
    command.arg("keys").args(arguments).arg("--data").arg(data).stdout(Stdio::piped());
    finish(command).await
}

/// A client command with a key.
async fn with_key(server: &Server, key: &str, arguments: &[&str]) -> Ended {
    let mut command = server.command(arguments);
    command.env("TAILWATER_API_KEY", key);
    finish(command).await
}

/// Runs something until it is refused three times in a row: where there are three nodes, each was asked.
async fn until_refused(run: impl AsyncFn() -> Ended) -> Ended {
    let refused = async {
        let mut in_a_row = 0;
        loop {
            let ended = run().await;
            in_a_row = if ended.code == Some(0) { 0 } else { in_a_row + 1 };
            if in_a_row == 3 {
                return ended;
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("all refuse it")
}

#[tokio::test]
async fn a_key_is_made_used_listed_and_revoked_while_the_server_runs() {
    let server = Server::start().await;
    let before = server.run(&["jobs"]).await;
    assert_eq!(before.code, Some(0), "without keys it is open: {before:?}");
    let arguments = ["create", "--scope", "submit,read", "--name", "me", "--expires-in", "30"];
    let made = keys(server.data.path(), &arguments).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let key = made.stdout.trim();
    assert!(key.starts_with("tw_") && !made.stderr.contains(key), "{made:?}");
    let id = made.stderr.split(' ').next().expect("its id");

    // The server notices by itself.
    let closed = until_refused(async || server.run(&["jobs"]).await).await;
    assert!(closed.stderr.contains("a key is needed"), "{closed:?}");
    let blog = ["submit", "blog", "tides", "--words", "60", "--watch"];
    let ended = with_key(&server, key, &blog).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let refused = with_key(&server, key, &["credits", "grant", "5"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("scope 'admin'"), "{refused:?}");

    let list = keys(server.data.path(), &["list"]).await.stdout;
    let line = list.lines().find(|line| line.starts_with(id)).expect("it is listed");
    assert!(
        line.contains("me") && line.contains("submit read") && line.ends_with("valid"),
        "{list}"
    );
    let revoked = keys(server.data.path(), &["revoke", id]).await;
    assert_eq!((revoked.code, revoked.stderr.trim()), (Some(0), &*format!("{id} is revoked")));
    until_refused(async || with_key(&server, key, &["jobs"]).await).await;
    let again = keys(server.data.path(), &["revoke", id]).await;
    assert!(again.stderr.contains("was revoked before"), "{again:?}");
}

#[tokio::test]
async fn a_server_that_everybody_can_reach_wants_a_key_first() {
    let data = TempDir::new().expect("a folder");
    let serve = |listen: &str| {
        let mut command = command();
        command.args(["serve", "--listen", listen, "--data"]).arg(data.path());
        command
    };
    let refused = finish(serve("0.0.0.0:0")).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
    for part in ["no key exists", "tailwater keys create", "127.0.0.1"] {
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
    let made = keys(data.path(), &["create", "--scope", "admin", "--json"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
    assert!(made["key"].as_str().expect("a key").starts_with("tw_"));
    let open = Process::alone(data.path(), "0.0.0.0:0", &[], &[]).await;
    let url = format!("http://127.0.0.1:{}/api/jobs", open.address.port());
    assert_eq!(client().get(&url).send().await.expect("an answer").status(), 401);
}

#[tokio::test]
async fn what_is_no_key_is_told_why() {
    let data = TempDir::new().expect("a folder");
    for (arguments, part) in [
        (&["create"][..], "--scope"),
        (&["create", "--scope", "fly"], "submit, read, publish, admin"),
        (&["create", "--scope", "admin", "--project", "a"], "leave out --project"),
        (&["create", "--scope", "read", "--project", "a b"], "--project must be"),
        (&["create", "--scope", "read", "--expires-in", "0"], "1..=3650"),
        (&["revoke", "tw_secret"], "begins with key_"),
        (&["revoke", "key_none"], "there is no key key_none"),
    ] {
        let ended = keys(data.path(), arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?} {ended:?}");
        assert!(ended.stderr.contains(part), "{arguments:?} {ended:?}");
    }
}
