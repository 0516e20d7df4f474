//! Where files are: in the data folder, in a folder that servers share, in a bucket
//! (`scripts/with-s3`).

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::bucket;
use crate::harness::process::command;
use crate::harness::{TestServer, client};

/// A picture of 320 by 240.
const GIF: &[u8] = b"GIF89a\x40\x01\xF0\0\0\0\0;";

/// What is at an address, or the part of it that is asked for.
async fn download(server: &TestServer, url: &Value, range: Option<&str>) -> (u16, Vec<u8>) {
    let mut request = client().get(server.url(url.as_str().expect("an address")));
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.bytes().await.expect("a body").into())
}

/// A job makes files, a worker gives one; all come back, whole and in part.
async fn make_and_give(server: &TestServer) {
    let job = server.submit_blog("how tides work", true).await;
    let view = server.wait_for_end(&job).await;
    let made = view["artifacts"].as_array().expect("files");
    assert_eq!(made.len(), 3, "{view}");
    for file in made {
        let (status, whole) = download(server, &file["url"], None).await;
        assert_eq!((status, json!(whole.len())), (200, file["bytes"].clone()), "{file}");
        let (status, part) = download(server, &file["url"], Some("bytes=3-10")).await;
        assert_eq!((status, part.as_slice()), (206, &whole[3..11]));
        let (status, end) = download(server, &file["url"], Some("bytes=-5")).await;
        assert_eq!((status, end.as_slice()), (206, &whole[whole.len() - 5..]));
        let past = format!("bytes={}-", whole.len());
        assert_eq!(download(server, &file["url"], Some(&past)).await.0, 416);
    }

    let request = server.http.post(server.url("/api/uploads")).header("content-type", "image/gif");
    let given: Value =
        request.body(GIF).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!((&given["width"], &given["bytes"]), (&json!(320), &json!(GIF.len())), "{given}");
    let external = server.submit_external().await;
    let ready = json!({"type": "artifact_ready", "data": {"artifact": {"id": given["id"]}}});
    assert_eq!(server.push(&external, &[ready, json!({"type": "completed"})]).await.0, 200);
    let file = server.get(&format!("/api/jobs/{external}")).await.1["artifacts"][0].clone();
    assert_eq!(download(server, &file["url"], None).await, (200, GIF.to_vec()));
    assert_eq!(download(server, &file["url"], Some("bytes=0-5")).await, (206, b"GIF89a".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_jobs_make_and_workers_give_comes_back_whole_and_in_part() {
    let server = TestServer::start().await;
    make_and_give(&server).await;
    let files = bucket::files(&server.settings.data).await;
    assert_eq!(files.len(), 4, "{files:?}");
    assert_eq!(files.iter().any(|file| file.starts_with("it")), bucket::is_bucket());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_share_a_folder() {
    let shared = TempDir::new().unwrap();
    let place = shared.path().join("files");
    let start = async || {
        let place = place.to_str().unwrap().parse().unwrap();
        TestServer::with(|settings| settings.artifacts = Some(place)).await
    };
    let (first, second) = (start().await, start().await);
    tokio::join!(make_and_give(&first), make_and_give(&second));
    let second = second.restart().await;
    make_and_give(&first).await;
    first.stop().await;
    make_and_give(&second).await;
    assert!(!second.settings.data.join("artifacts").exists());
    second.stop().await;
    let left = std::fs::read_dir(place.join("incoming")).unwrap().count();
    assert_eq!(left, 0, "nothing is on its way in");
}

/// Starts a server that cannot start; gives what it says.
async fn refused(data: &Path, artifacts: &str, variables: &[(&str, &str)]) -> String {
    let output = command()
        .args(["serve", "--listen", "127.0.0.1:0", "--artifacts", artifacts, "--data"])
        .arg(data)
        .envs(variables.iter().copied())
        .output()
        .await
        .expect("it starts");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!said.contains("hush"), "{said}");
    said
}

#[tokio::test]
async fn a_place_that_cannot_be_used_is_told_at_the_start() {
    let data = TempDir::new().unwrap();
    let keys = [
        ("AWS_ACCESS_KEY_ID", "me"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("AWS_SESSION_TOKEN", "hush-hush"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
    ];
    let said = refused(data.path(), "files", &keys).await;
    assert!(said.contains("artifacts cannot be 'files'"), "{said}");
    assert!(said.contains("must be s3://bucket/prefix"), "{said}");
    let said = refused(data.path(), "s3://me:hush@files/a", &keys).await;
    assert!(said.contains("artifacts cannot be the value given (hidden)"), "{said}");
    let said = refused(data.path(), "s3://files/a", &[]).await;
    assert!(said.contains("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set"), "{said}");
    let said = refused(data.path(), "s3://files/a", &keys).await;
    assert!(said.contains("cannot keep files in s3://files/a (the setting artifacts)"), "{said}");
    assert!(said.contains("http://127.0.0.1:9 says"), "{said}");
    let large = [&keys[..], &[("TAILWATER_OUTPUT_LIMIT", "6G")]].concat();
    let said = refused(data.path(), "s3://files/a", &large).await;
    assert!(said.contains("output_limit") && said.contains("5G at most"), "{said}");
    let file = data.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let said = refused(data.path(), file.to_str().unwrap(), &keys).await;
    assert!(said.contains("cannot use the artifact folder"), "{said}");
}
