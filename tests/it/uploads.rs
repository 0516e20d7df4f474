//! Uploads: what goes in comes out, and what does not belong there leaves nothing behind.

use std::path::PathBuf;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::bad_input::{Answer, Wire, send};
use crate::harness::bucket;
use crate::harness::database::Database;
use crate::harness::{PATIENCE, TestServer};

/// A picture of 320 by 240.
const GIF: &[u8] = b"GIF89a\x40\x01\xF0\0\0\0\0;";

/// SHA-256 of [`GIF`].
const GIF_SHA256: &str = "4551175b707e0cb3ddce45c56bbb3afe5419300c8946eaf0c8db7375f865e30f";

/// Two seconds of silence.
fn wav() -> Vec<u8> {
    let mut file =
        b"RIFF\xA4\x3E\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\xA0\x0F\0\0\x40\x1F\0\0\x02\0\x10\0"
            .to_vec();
    file.extend_from_slice(b"data\x80\x3E\0\0");
    file.resize(44 + 16_000, 0);
    file
}

async fn upload(server: &TestServer, path: &str, media_type: &str, bytes: Vec<u8>) -> Answer {
    let request = server.http.post(server.url(path)).header("content-type", media_type);
    send(request.body(bytes)).await
}

/// A host of files on this machine; gives its address.
async fn host() -> String {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;
    let to = |place: &'static str| {
        get(move || async move { (StatusCode::FOUND, [("location", place)]) })
    };
    let router = Router::new()
        .route("/kite.gif", get(|| async { GIF }))
        .route("/once", to("/kite.gif"))
        .route("/ever", to("/ever"))
        .route("/page", get(|| async { "<!doctype html>" }))
        .route("/large", get(|| async { [GIF, &[0; 2048]].concat() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn upload_from(server: &TestServer, body: serde_json::Value) -> Answer {
    send(server.http.post(server.url("/api/uploads")).json(&body)).await
}

#[tokio::test]
async fn a_file_that_is_named_is_an_upload_like_one_that_is_sent() {
    let host = host().await;
    let server = TestServer::with(|settings| settings.upload_allow_private = true).await;
    for (path, name) in [("/kite.gif?signature=x", "kite.gif"), ("/once", "image.gif")] {
        let body = json!({ "url": format!("{host}{path}"), "project_id": "p" });
        let answer = upload_from(&server, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let view = &answer.body;
        assert_eq!((&view["name"], &view["project_id"]), (&json!(name), &json!("p")));
        assert_eq!((&view["sha256"], &view["width"]), (&json!(GIF_SHA256), &json!(320)));
        let path = format!("/api/uploads/{}", view["id"].as_str().expect("an id"));
        assert_eq!(answer.headers["location"], path.as_str());
        assert_eq!(server.get(&path).await, (200, view.clone()));
    }
    let body = json!({ "url": format!("{host}/once"), "name": "a/b.gif" });
    assert_eq!(upload_from(&server, body).await.body["name"], "b.gif");
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_does_not_come_says_why_and_leaves_nothing() {
    let host = host().await;
    let server = TestServer::with(|settings| {
        (settings.upload_allow_private, settings.upload_limit) = (true, 1024);
    })
    .await;
    for (path, status, code, part) in [
        ("/nowhere", 422, "not_fetched", "its host answered HTTP 404"),
        ("/ever", 422, "not_fetched", "leads on after 3 other addresses"),
        ("/page", 415, "not_media", "uploads are"),
        ("/large", 413, "upload_too_large", "1024 bytes"),
    ] {
        let answer = upload_from(&server, json!({ "url": format!("{host}{path}") })).await;
        let detail = answer.problem(status, code)["detail"].as_str().expect("a detail");
        assert!(detail.contains(part), "{path}: {detail}");
    }
    let nobody = "http://127.0.0.1:9/kite.gif";
    let answer = upload_from(&server, json!({ "url": nobody })).await;
    answer.problem(422, "not_fetched");
    assert_eq!(answer.pointers(), ["/url"]);
    for body in [json!({}), json!([]), json!({ "url": 7 }), json!({ "url": nobody, "file": 1 })] {
        upload_from(&server, body).await.problem(400, "invalid_field");
    }
    wait_for_nothing(&server).await;
    server.stop().await;
}

async fn upload_form(server: &TestServer, form: Form) -> Answer {
    send(server.http.post(server.url("/api/uploads")).multipart(form)).await
}

fn file(bytes: &'static [u8], name: &str) -> Part {
    Part::bytes(bytes).file_name(name.to_owned())
}

/// Every file in artifact storage, staged ones too.
async fn files(server: &TestServer) -> Vec<PathBuf> {
    bucket::files(&server.settings.data).await
}

/// Waits until there are so many files: what is given up is removed by another thread.
async fn wait_for_files(server: &TestServer, many: usize) {
    let enough = async {
        while files(server).await.len() != many {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, enough).await;
    assert!(waited.is_ok(), "{:?}", files(server).await);
}

async fn wait_for_nothing(server: &TestServer) {
    wait_for_files(server, 0).await;
}

async fn count(server: &TestServer) -> i64 {
    let mut database = Database::open(&server.database()).await;
    database.number("select count(*) from upload", &[]).await
}

#[tokio::test]
async fn a_file_in_a_form_comes_back_as_it_was() {
    let server = TestServer::start().await;
    let form = Form::new().text("project_id", "p1").part("file", file(GIF, "Über uns.gif"));
    let answer = upload_form(&server, form).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let view = &answer.body;
    let id = view["id"].as_str().unwrap();
    assert!(id.starts_with("upl_"), "{view}");
    assert_eq!(answer.headers["location"], format!("/api/uploads/{id}"));
    assert!(view["created_at"].as_i64().unwrap() > 0);
    let mut told = view.clone();
    told.as_object_mut().unwrap().remove("created_at");
    let expected = json!({
        "id": id, "url": format!("/api/uploads/{id}/content"), "name": "Über uns.gif",
        "project_id": "p1", "media_type": "image/gif", "bytes": GIF.len(), "sha256": GIF_SHA256,
        "width": 320, "height": 240,
    });
    assert_eq!(told, expected);
    assert_eq!(server.get(&format!("/api/uploads/{id}")).await, (200, view.clone()));

    let url = server.url(view["url"].as_str().unwrap());
    let response = server.http.get(&url).send().await.unwrap();
    let headers = response.headers().clone();
    assert_eq!(response.bytes().await.unwrap(), GIF);
    assert_eq!(headers["content-type"], "image/gif");
    assert_eq!(headers["etag"], format!("\"{GIF_SHA256}\""));
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let name = headers["content-disposition"].to_str().unwrap();
    assert!(name.starts_with("inline") && name.ends_with("%C3%9Cber%20uns.gif"), "{name}");
    wait_for_files(&server, 1).await;
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_a_file_is_told_by_its_bytes() {
    let server = TestServer::start().await;
    let path = "/api/uploads?project_id=p2&name=a%2Fb.mp4";
    let answer = upload(&server, path, "video/mp4", wav()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body["media_type"], "audio/wav");
    assert_eq!(answer.body["duration_ms"], 2000);
    assert_eq!((&answer.body["name"], &answer.body["project_id"]), (&json!("b.mp4"), &json!("p2")));
    assert!(answer.body.get("width").is_none());
    let answer = upload(&server, "/api/uploads", "application/octet-stream", GIF.into()).await;
    assert_eq!(answer.body["name"], "image.gif");
    server.stop().await;
}

#[tokio::test]
async fn parts_of_an_upload_are_fetched_by_ranges() {
    let server = TestServer::start().await;
    let view = upload(&server, "/api/uploads", "image/gif", GIF.into()).await.body;
    let url = server.url(view["url"].as_str().unwrap());
    let part = server.http.get(&url).header("range", "bytes=3-5").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 3-5/{}", GIF.len()));
    assert_eq!(part.text().await.unwrap(), "89a");
    let head = server.http.request(Method::HEAD, &url).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-length"]),
        (200, &"14".parse().unwrap())
    );
    let etag = head.headers()["etag"].clone();
    let known = server.http.get(&url).header("if-none-match", etag).send().await.unwrap();
    assert_eq!(known.status(), 304);
    let past = send(server.http.get(&url).header("range", "bytes=14-")).await;
    past.problem(416, "range_not_satisfiable");
    let saved = server.http.get(format!("{url}?download=1")).send().await.unwrap();
    assert!(saved.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    server.stop().await;
}

#[tokio::test]
async fn an_upload_is_there_after_a_restart() {
    let server = TestServer::start().await;
    let view = upload(&server, "/api/uploads", "image/gif", GIF.into()).await.body;
    let server = server.restart().await;
    let path = format!("/api/uploads/{}", view["id"].as_str().unwrap());
    assert_eq!(server.get(&path).await, (200, view.clone()));
    let response = server.http.get(server.url(view["url"].as_str().unwrap())).send().await.unwrap();
    assert_eq!(response.bytes().await.unwrap(), GIF);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_media_is_refused_whatever_it_is_called() {
    let server = TestServer::start().await;
    for text in ["<html><script>", "<svg xmlns='http://www.w3.org/2000/svg'/>", "{}", "GIF", ""] {
        let answer = upload(&server, "/api/uploads", "image/png", text.into()).await;
        answer.problem(415, "not_media");
        assert!(answer.body["detail"].as_str().unwrap().contains("PNG, JPEG"), "{answer:?}");
        let part = Part::bytes(text.as_bytes().to_vec()).file_name("a.png");
        let answer = upload_form(&server, Form::new().part("file", part)).await;
        answer.problem(415, "not_media");
    }
    let answer = upload(&server, "/api/uploads", "application/xml", GIF.into()).await;
    answer.problem(415, "unsupported_media_type");
    let answer = upload(&server, "/api/uploads", "application/json", GIF.into()).await;
    answer.problem(400, "invalid_json");
    wait_for_nothing(&server).await;
    assert_eq!(count(&server).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_form_that_is_no_upload_is_told_why() {
    let server = TestServer::start().await;
    let part = || file(GIF, "a.gif");
    for (form, pointer) in [
        (Form::new().text("project_id", "p"), "/file"),
        (Form::new().part("file", part()).part("file", part()), "/file"),
        (Form::new().part("file", part()).text("x", "y"), "/x"),
        (Form::new().part("file", part()).text("name", "y".repeat(2000)), "/name"),
    ] {
        let answer = upload_form(&server, form).await;
        answer.problem(400, "invalid_field");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{answer:?}");
    }
    let bad = Form::new().part("file", part()).text("project_id", "a b");
    upload_form(&server, bad).await.problem(400, "invalid_parameter");
    let answer = upload(&server, "/api/uploads?project_id=a%20b", "image/gif", GIF.into()).await;
    answer.problem(400, "invalid_parameter");
    let answer = upload(&server, "/api/uploads?projct=a", "image/gif", GIF.into()).await;
    answer.problem(400, "invalid_parameter");
    let answer = upload(&server, "/api/uploads", "multipart/form-data", GIF.into()).await;
    answer.problem(400, "invalid_body");
    wait_for_nothing(&server).await;
    assert_eq!(count(&server).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_file_past_the_bound_is_refused_before_it_is_sent() {
    let server = TestServer::start().await;
    for media_type in ["image/gif", "multipart/form-data; boundary=b"] {
        // Only the head is sent: who answers has not waited for the rest.
        let head = format!(
            "POST /api/uploads HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media_type}\r\n\
             content-length: 300000000\r\n\r\n"
        );
        let mut wire = Wire::open(&server).await;
        wire.say(head).await;
        let (status, answer) = wire.answer().await;
        assert_eq!((status, answer["code"].as_str()), (413, Some("upload_too_large")), "{answer}");
        assert_eq!(answer["limit"], 200 << 20);
    }
    assert!(files(&server).await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn an_upload_that_stops_half_way_leaves_nothing() {
    let server = TestServer::start().await;
    let form = "--b\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n";
    for (media_type, begin) in [("image/gif", ""), ("multipart/form-data; boundary=b", form)] {
        let mut wire = Wire::open(&server).await;
        let head = format!(
            "POST /api/uploads HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media_type}\r\n\
             content-length: 3000000\r\n\r\n{begin}"
        );
        wire.say(head).await;
        wire.say(GIF).await;
        wire.say(vec![0; 2_000_000]).await;
        let begun = async {
            while files(&server).await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, begun).await.expect("it is being written");
        drop(wire);
        wait_for_nothing(&server).await;
    }
    assert_eq!(count(&server).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_goes_down_does_not_wait_for_the_rest_of_a_file() {
    let server = TestServer::start().await;
    let mut wire = Wire::open(&server).await;
    let head = "POST /api/uploads HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/gif\r\n\
                content-length: 3000000\r\n\r\n";
    wire.say(head).await;
    wire.say(GIF).await;
    wire.say(vec![0; 10_000]).await;
    let begun = async {
        while files(&server).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("it is being written");
    server.begin_to_stop();
    let (status, answer) = wire.answer().await;
    assert_eq!((status, answer["code"].as_str()), (503, Some("draining")), "{answer}");
    wait_for_nothing(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn an_unknown_upload_is_a_problem_by_every_route() {
    let server = TestServer::start().await.at_one_node();
    for id in ["upl_nobody", "file_1", "nothing", "..%2f..%2fetc%2fpasswd", "upl_%00"] {
        for path in [format!("/api/uploads/{id}"), format!("/api/uploads/{id}/content")] {
            send(server.http.get(server.url(&path))).await.problem(404, "unknown_upload");
        }
    }
    send(server.http.get(server.url("/api/uploads"))).await.problem(405, "method_not_allowed");
    server.stop().await;
}

#[tokio::test]
async fn a_worker_announces_what_it_uploaded_as_its_jobs_file() {
    let server = TestServer::start().await;
    let view = upload(&server, "/api/uploads?name=a.gif", "image/gif", GIF.into()).await.body;
    let job = server.submit_external().await;
    let ready = json!({"type": "artifact_ready", "data": {"artifact": {"id": view["id"]}}});
    let end = json!({"type": "completed"});
    // Announced twice, it is there once.
    let (status, answer) = server.push(&job, &[ready.clone(), ready.clone(), end]).await;
    assert_eq!((status, &answer["appended"]), (200, &json!(3)), "{answer}");
    let mut reader = server.follow(&job).await;
    let announced = reader.until("artifact_ready").await.data["artifact"].clone();
    let file = announced["id"].as_str().unwrap().to_owned();
    let url = format!("/api/artifacts/{file}/content");
    let expected = json!({
        "id": file, "kind": "image", "media_type": "image/gif", "url": url, "bytes": GIF.len(),
        "width": 320, "height": 240,
    });
    assert_eq!(announced, expected);
    let rest = reader.read_to_end().await;
    assert!(rest.iter().all(|message| message.event != "artifact_ready"), "{rest:?}");
    assert_eq!(rest.last().map(|message| message.event.as_str()), Some("completed"));

    let server = server.restart().await;
    let job_view = server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!(job_view["artifacts"], json!([expected]));
    let response = server.http.get(server.url(&url)).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "image/gif");
    assert_eq!(response.bytes().await.unwrap(), GIF);

    // Another job's file of the same upload is another file.
    let other = server.submit_external().await;
    let voice = json!({"type": "artifact_ready", "data": {"artifact": {"id": view["id"], "kind": "cover"}}});
    assert_eq!(server.push(&other, &[voice]).await.0, 200);
    let other = server.get(&format!("/api/jobs/{other}")).await.1["artifacts"][0].clone();
    assert_eq!(other["kind"], "cover");
    assert_ne!(other["id"], expected["id"]);
    server.stop().await;
}

#[tokio::test]
async fn an_announced_upload_that_is_not_there_is_told() {
    let server = TestServer::start().await;
    let view = upload(&server, "/api/uploads", "image/gif", GIF.into()).await.body;
    let job = server.submit_external().await;
    for (artifact, pointer) in [
        (json!({"id": "upl_nobody"}), "/data/artifact/id"),
        (json!({"id": "upl_"}), "/data/artifact/id"),
        (json!({"id": view["id"], "kind": 7}), "/data/artifact/kind"),
        (json!({"id": view["id"], "kind": ""}), "/data/artifact/kind"),
    ] {
        let event = json!({"type": "artifact_ready", "data": {"artifact": artifact}});
        let (status, answer) = server.push(&job, &[event]).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_event")), "{answer}");
        assert_eq!(answer["errors"][0]["pointer"], pointer);
    }
    server.stop().await;
}
