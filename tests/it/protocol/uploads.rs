//! § 12: uploads.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::harness::bucket;
use crate::harness::database::Database;

/// A picture of 320 by 240.
const GIF: &[u8] = b"GIF89a\x40\x01\xF0\0\0\0\0;";

/// The same as a text.
const DATA_URL: &str = "data:image/gif;base64,R0lGODlhQAHwAAAAADs=";

async fn read(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn upload(server: &TestServer, media_type: &str, bytes: &[u8]) -> (u16, Value) {
    let request = server.http.post(server.url("/api/uploads?project_id=p&name=a.gif"));
    read(request.header("content-type", media_type).body(bytes.to_vec())).await
}

/// Submits a job that begins with a picture.
async fn submit(server: &TestServer, image: &str) -> (u16, Value) {
    let body = json!({ "prompt": "it flies", "image": image });
    server.post("/api/replicate/seedance-i2v/submit", &body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p49_a_file_is_taken_from_a_form_or_as_a_body_and_comes_back() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let part = Part::bytes(GIF).file_name("a.gif");
    let form = Form::new().text("project_id", "p").part("file", part);
    let (status, of_form) =
        read(server.http.post(server.url("/api/uploads")).multipart(form)).await;
    assert_eq!(status, 201, "{of_form}");
    let (status, of_body) = upload(&server, "application/octet-stream", GIF).await;
    assert_eq!(status, 201, "{of_body}");
    for view in [of_form, of_body] {
        let id = view["id"].as_str().unwrap();
        assert!(id.starts_with("upl_") && view["sha256"].as_str().unwrap().len() == 64, "{view}");
        assert!(view["created_at"].is_u64() && view.get("duration_ms").is_none(), "{view}");
        assert_eq!((&view["name"], &view["project_id"]), (&json!("a.gif"), &json!("p")));
        assert_eq!((&view["media_type"], &view["bytes"]), (&json!("image/gif"), &json!(GIF.len())));
        assert_eq!((&view["width"], &view["height"]), (&json!(320), &json!(240)));
        assert_eq!(server.get(&format!("/api/uploads/{id}")).await, (200, view.clone()));
        let url = server.url(view["url"].as_str().unwrap());
        let part = server.http.get(&url).header("range", "bytes=3-5").send().await.unwrap();
        assert_eq!((part.status().as_u16(), &part.bytes().await.unwrap()[..]), (206, &GIF[3..6]));
        let whole = server.http.get(&url).send().await.unwrap();
        let etag = whole.headers()["etag"].clone();
        assert_eq!(whole.bytes().await.unwrap(), GIF);
        let known = server.http.get(&url).header("if-none-match", etag).send().await.unwrap();
        assert_eq!(known.status(), 304);
        assert_eq!(server.http.head(&url).send().await.unwrap().headers()["content-length"], "14");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p50_a_file_is_what_its_bytes_are_and_no_larger_than_it_may_be() {
    let server = TestServer::with(|settings| {
        (settings.workers, settings.upload_limit) = (0, 1024);
    })
    .await;
    let (status, view) = upload(&server, "video/mp4", GIF).await;
    assert_eq!((status, &view["media_type"]), (201, &json!("image/gif")), "{view}");
    let text = b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>";
    let (status, problem) = upload(&server, "image/png", text).await;
    assert_eq!((status, &problem["code"]), (415, &json!("not_media")), "{problem}");
    let large = [GIF, &[0; 1024]].concat();
    let (status, problem) = upload(&server, "image/gif", &large).await;
    assert_eq!((status, &problem["code"]), (413, &json!("upload_too_large")), "{problem}");
    assert_eq!(problem["limit"], 1024);
    let folder = server.settings.data.clone();
    // Kept until they are counted.
    let _data = server.stop().await;
    assert_eq!(bucket::files(&folder).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p51_an_input_takes_an_upload_a_made_file_an_address_or_a_data_url() {
    let server = TestServer::start().await;
    let view = upload(&server, "image/gif", GIF).await.1;
    let (id, url) = (view["id"].as_str().unwrap(), view["url"].as_str().unwrap());
    let made = json!({ "model": "bfl/flux-2-klein-4b", "prompt": "a kite" });
    let made = server.post("/api/images/generate", &made).await.1;
    let made = server.wait_for_end(made["job_id"].as_str().unwrap()).await["artifacts"][0].clone();
    let made = made["url"].as_str().unwrap();
    let remote = "https://example.com/kite.png";
    for (image, kept) in
        [(id, url), (url, url), (made, made), (remote, remote), (DATA_URL, "/api/uploads/upl_")]
    {
        let (status, answer) = submit(&server, image).await;
        assert_eq!(status, 202, "{image}: {answer}");
        let view = server.wait_for_end(answer["job_id"].as_str().unwrap()).await;
        assert_eq!(view["status"], "completed", "{image}: {view}");
        assert!(view["input"]["image"].as_str().unwrap().starts_with(kept), "{view}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p51_a_file_that_is_not_here_or_of_another_family_is_refused() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    for image in [
        "upl_none",
        "/api/artifacts/file_none/content",
        "ftp://example.com/a.png",
        "data:audio/wav;base64,UklGRg==",
        // A text, whatever it is called.
        "data:image/png;base64,aGVsbG8=",
        "not a file",
    ] {
        let (status, problem) = submit(&server, image).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{image}");
        assert_eq!(problem["errors"][0]["pointer"], "/image", "{problem}");
    }
    let picture = upload(&server, "image/gif", GIF).await.1["id"].clone();
    let body = json!({ "video_url": picture, "text": "hello" });
    let (status, problem) = server.post("/api/replicate/kling-lipsync/submit", &body).await;
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (400, &json!("/video_url")),
        "{problem}"
    );
    assert_eq!(server.get("/api/jobs").await.1["jobs"], json!([]));
    let mut database = Database::open(&server.database()).await;
    assert_eq!(database.number("select count(*) from upload", &[]).await, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p51_a_submit_with_a_data_url_that_is_sent_again_is_the_same() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let body = json!({ "prompt": "it flies", "image": DATA_URL });
    let path = server.url("/api/replicate/seedance-i2v/submit");
    let send = |key: &str| read(server.http.post(&path).header("idempotency-key", key).json(&body));
    let answers = join_all(["k", "k", "k", "k", "other", "k"].map(send)).await;
    let jobs: BTreeSet<_> = answers.iter().map(|(_, answer)| answer["job_id"].as_str()).collect();
    assert!(answers.iter().all(|(status, _)| *status == 202) && jobs.len() == 1, "{answers:?}");
    assert_eq!(server.get("/api/credits").await.1["held"], answers[0].1["hold"]);
    let mut database = Database::open(&server.database()).await;
    assert_eq!(database.number("select count(*) from upload", &[]).await, 1);
    let elsewhere = json!({ "prompt": "it flies", "image": DATA_URL, "project_id": "elsewhere" });
    assert_eq!(read(server.http.post(&path).json(&elsewhere)).await.0, 202);
    assert_eq!(database.number("select count(*) from upload", &[]).await, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p52_an_upload_that_a_worker_announces_is_a_file_of_its_job() {
    let server = TestServer::start().await;
    let view = upload(&server, "image/gif", GIF).await.1;
    let job = server.submit_external().await;
    let ready = json!({ "type": "artifact_ready", "data": { "artifact": { "id": view["id"] } } });
    let (status, answer) = server.push(&job, &[ready.clone(), ready]).await;
    assert_eq!(status, 200, "{answer}");
    let files = server.get(&format!("/api/jobs/{job}")).await.1["artifacts"].clone();
    assert_eq!(files.as_array().unwrap().len(), 1, "{files}");
    let file = &files[0];
    assert_eq!((&file["kind"], &file["width"]), (&json!("image"), &json!(320)), "{file}");
    let bytes = server.http.get(server.url(file["url"].as_str().unwrap())).send().await.unwrap();
    assert_eq!(bytes.bytes().await.unwrap(), GIF);
    let none = json!({ "type": "artifact_ready", "data": { "artifact": { "id": "upl_none" } } });
    let (status, problem) = server.push(&job, &[none]).await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_event")), "{problem}");
    server.stop().await;
}
