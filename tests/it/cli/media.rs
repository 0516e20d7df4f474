//! Models, media jobs and credits at the terminal.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Ended, Server};

/// The smallest PNG: one pixel.
const PIXEL: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\rIDATx\xdacd\xf8\xcfP\x0f\0\x03\x86\x01\x80\x5a\x34}\x6b\0\0\0\0IEND\xaeB\x60\x82";

/// The only line on standard output.
fn line(ended: &Ended) -> &str {
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 1), "{ended:?}");
    ended.stdout.trim_end()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[tokio::test]
async fn models_are_a_table_a_page_or_the_servers_own_json() {
    let server = Server::start().await;
    let ended = server.run(&["models", "--provider", "bfl"]).await;
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("MODEL ") && lines[0].ends_with(" CREDITS"), "{lines:?}");
    assert!(lines[1].starts_with("bfl/flux-2-pro "), "{lines:?}");
    assert!(lines[1].ends_with("bfl       ok, simulated  0.06 a job"), "{lines:?}");
    assert!(lines[1..].iter().all(|line| line.starts_with("bfl/")), "{lines:?}");

    let ended = server.run(&["models", "--mode", "video-remix", "--json"]).await;
    let page: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(page, server.get("/api/models?mode=video-remix").await);

    // This one has slashes in its name.
    let ended = server.run(&["models", "veo3_1/text-to-video/fast"]).await;
    for part in ["video (video/mp4)", "prompt  text, required", "one of 4s, 6s, 8s", "submit video"]
    {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    for (arguments, code, said) in [
        (&["models", "--provider", "nobody"][..], 0, "no model fits"),
        (&["models", "--mode", "smell-to-video"], 2, "'mode' must be one of"),
        (&["models", "kling-t2w"], 2, "there is no model 'kling-t2w'"),
    ] {
        let ended = server.run(arguments).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_watched_video_tells_its_stages_and_its_address_and_is_saved() {
    let server = Server::start().await;
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("kite.mp4");
    let submit = ["submit", "video", "--model", "wan-2-5-t2v", "A red kite", "-i", "duration=5"];
    let ended = server.run(&[&submit[..], &["--output", text(&place)]].concat()).await;
    let address = line(&ended);
    for said in
        ["starting at the provider", "generating", "640 × 360", "completed: cost 0.", "saved "]
    {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    let path = address.strip_prefix(&server.url("")).expect("an address of this server");
    let bytes = crate::harness::client().get(server.url(path)).send().await.unwrap();
    let bytes = bytes.bytes().await.unwrap();
    assert_eq!(std::fs::read(&place).unwrap(), bytes);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");

    let job = ended.stderr.lines().next().unwrap();
    let view = server.get(&format!("/api/jobs/{job}")).await;
    assert_eq!(view["input"], json!({ "prompt": "A red kite", "duration": 5 }));
    let again = folder.path().join("again.mp4");
    let ended = server.run(&["watch", job, "--output", text(&again)]).await;
    assert_eq!((line(&ended), std::fs::read(&again).unwrap()), (address, bytes.to_vec()));
    server.stop().await;
}

#[tokio::test]
async fn a_file_of_this_machine_becomes_an_input() {
    let server = Server::start().await;
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("me.png");
    std::fs::write(&image, PIXEL).unwrap();
    let said = format!("startImage=@{}", text(&image));
    let submit = ["submit", "video", "--model", "kling-i2v", "She smiles", "-i", &said];
    let ended = server.run(&[&submit[..], &["--project", "portraits"]].concat()).await;
    let job = line(&ended);
    assert!(ended.stderr.contains("me.png (image/png, 70 bytes)"), "{ended:?}");
    let view = server.get(&format!("/api/jobs/{job}")).await;
    let kept = view["input"]["start_image"].as_str().expect("an address");
    let upload = server.get(kept.strip_suffix("/content").unwrap()).await;
    assert_eq!((&upload["name"], &upload["project_id"]), (&json!("me.png"), &json!("portraits")));

    let noise = folder.path().join("noise.png");
    std::fs::write(&noise, "no image at all").unwrap();
    let nowhere = folder.path().join("nowhere.png");
    for (file, part) in
        [(&noise, "(not_media)"), (&nowhere, "No such file"), (&folder.path().into(), "no file")]
    {
        let said = format!("start_image=@{}", text(file));
        let ended =
            server.run(&["submit", "video", "--model", "kling-i2v", "x", "-i", &said]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(part) && ended.stderr.contains(text(file)), "{ended:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_image_is_watched_as_lines_of_json_too() {
    let server = Server::start().await;
    let submit = ["submit", "image", "--model", "bfl/flux-2-pro", "Fog", "--watch", "--json"];
    let ended = server.run(&submit).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let lines: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["model"], "bfl/flux-2-pro");
    let end = lines.last().unwrap();
    assert_eq!((&end["event"], &end["data"]["cost"]), (&json!("completed"), &json!(60_000)));
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_media_job_is_said_field_by_field() {
    let server = Server::start().await;
    let model = ["submit", "video", "--model", "wan-2-5-t2v"];
    let wrong = ["A kite", "--input", "duration=7", "--input", "siz=3"];
    let ended = server.run(&[&model[..], &wrong].concat()).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert!(lines[0].starts_with("error: ") && lines.len() == 3, "{lines:?}");
    assert!(lines.contains(&"  /input/duration  must be 5 or 10, not 7"), "{lines:?}");
    assert!(lines[1..].iter().any(|line| line.contains("did you mean 'size'?")), "{lines:?}");

    let folder = TempDir::new().unwrap();
    for (arguments, part) in [
        (&["submit", "video", "--model", "kling-t2w", "x"][..], "there is no model 'kling-t2w'"),
        (&["submit", "image", "--model", "wan-2-5-t2v", "x"], "kind 'video'"),
        (&["submit", "video", "--model", "runway/act_two", "x"], "takes no prompt"),
        (&["submit", "video", "--model", "wan-2-5-t2v", "x", "-i", "prompt=y"], "said twice"),
        (
            &["submit", "video", "--model", "wan-2-5-t2v", "x", "--output", text(folder.path())],
            "folder",
        ),
    ] {
        let ended = server.run(arguments).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(part), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
    assert_eq!(server.get("/api/jobs").await["jobs"], json!([]), "nothing was submitted");
    server.stop().await;
}

#[tokio::test]
async fn a_job_that_fails_saves_nothing_and_costs_nothing() {
    let server = Server::start().await;
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("kite.mp4");
    let submit = ["submit", "video", "--model", "wan-2-5-t2v", "A kite [fail]", "--output"];
    let ended = server.run(&[&submit[..], &[text(&place)]].concat()).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("failed: "), "{ended:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let credits = server.run(&["credits"]).await.stdout;
    assert!(credits.contains("held          0.00\nspent         0.00\n"), "{credits}");
    server.stop().await;
}

#[tokio::test]
async fn credits_are_shown_granted_once_by_their_key_and_listed() {
    let server = Server::start().await;
    for _ in 0..2 {
        let grant = ["credits", "grant", "2.5", "--note", "spring", "--idempotency-key", "k1"];
        let ended = server.run(&grant).await;
        assert_eq!(line(&ended), "2.50 credits granted; 1002.50 are available");
    }
    let ended = server.run(&["credits"]).await;
    assert_eq!(
        ended.stdout,
        "available  1002.50\nheld          0.00\nspent         0.00\ngranted    1002.50\n"
    );
    let ended = server.run(&["credits", "--json"]).await;
    let balance: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(balance, server.get("/api/credits").await);
    let ended = server.run(&["credits", "ledger", "--limit", "1"]).await;
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("ID "), "{lines:?}");
    assert!(lines[1].contains("grant  2.50     1002.50    spring"), "{lines:?}");
    let older = ended.stderr.trim_end().rsplit(' ').next().unwrap().to_owned();
    let ended = server.run(&["credits", "ledger", "--before", &older, "--json"]).await;
    let page: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(page["entries"][0]["amount_credits"], "1000.00", "{page}");
    let ended = server.run(&["credits", "grant", "0"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.stderr.contains("/amount"), "{ended:?}");
    server.stop().await;
}
