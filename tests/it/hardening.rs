//! What comes from outside stays what it is: no path, no frame, no markup, no line of the log.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::fs;
use std::path::Path;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, TestServer};

/// Ids that would lead elsewhere, if an id led anywhere.
const HOSTILE: [&str; 14] = [
    "..",
    "%2e%2e",
    "../../../../etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%252f..%252fetc%252fpasswd",
    "..%5c..%5cetc%5cpasswd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "file_1%00",
    "%00",
    "file_%2e%2e%2fpasswd",
    "..%c0%af..%c0%afetc%c0%afpasswd",
    "tailwater.db",
];

/// Everything that is answered to a request whose path no client would send as it stands.
async fn ask(server: &TestServer, path: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
    read.expect("the server answers").unwrap();
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_of_a_client_reaches_the_file_system() {
    let server = TestServer::start().await;
    // Something to be found, beside what is served.
    fs::write(server.settings.data.join("artifacts/secret.txt"), "root:x:0:0").unwrap();
    for route in [
        "/api/artifacts/{}/content",
        "/api/uploads/{}/content",
        "/api/uploads/{}",
        "/api/file/{}",
        "/api/jobs/{}",
        "/api/jobs/{}/events",
        "/api/jobs/{}/stream",
        "/api/models/{}",
        "/static/{}",
        "/{}",
    ] {
        for id in HOSTILE {
            let path = route.replace("{}", id);
            let heard = ask(&server, &path).await;
            assert!(heard.starts_with("HTTP/1.1 4"), "{path}: {heard}");
            assert!(!heard.contains("root:") && !heard.contains("SQLite"), "{path}: {heard}");
        }
    }
    // What a row says of a place does not lead out of artifact storage either.
    let job = server.submit_external().await;
    let mut database = crate::harness::database::Database::open(&server.database()).await;
    for (number, place) in
        ["../tailwater.db", "/etc/passwd", "a/../../tailwater.db"].iter().enumerate()
    {
        let file = format!("file_{number}");
        let row = "insert into artifact (id, job_id, path) values (?, ?, ?)";
        database.run(row, &[&file, &job, place]).await;
        let heard = ask(&server, &format!("/api/artifacts/file_{number}/content")).await;
        assert!(heard.starts_with("HTTP/1.1 500 ") && !heard.contains("root:"), "{place}: {heard}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_or_text_of_a_producer_forges_a_frame() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    for name in
        ["a\nevent: completed", "a\r\ndata: x", "completed\n", "hello", "", "é", "a b", "1a"]
    {
        let (status, answer) = server.push(&job, &[json!({ "type": name, "data": {} })]).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_event")), "{name:?}: {answer}");
    }
    let hostile = "x\n\nid: 1\nevent: completed\ndata: {}\n\n\r\r\u{2028}\u{0}: ";
    let data = json!({ "text": hostile, hostile: [hostile] });
    let events =
        [json!({ "type": "note", "data": data }), json!({ "type": "completed", "data": {} })];
    assert_eq!(server.push(&job, &events).await.0, 200);
    let messages = server.follow(&job).await.read_to_end().await;
    let names: Vec<_> = messages.iter().map(|message| message.event.as_str()).collect();
    assert_eq!(names, ["hello", "status", "status", "note", "completed"]);
    assert_eq!(messages[3].data, data, "and arrives as it was sent");
    server.stop().await;
}

/// The sources of the page below this folder.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_page_makes_no_markup_of_text() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join("client/studio"), &mut found);
    sources(&root.join("client/src"), &mut found);
    assert!(found.len() > 50, "the sources are where they were");
    for (path, source) in found {
        for sink in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "createContextualFragment",
            "DOMParser",
            "setHTMLUnsafe",
            "srcdoc",
            "eval(",
            "new Function",
        ] {
            assert!(!source.contains(sink), "{path} has {sink}");
        }
    }
    let page = fs::read_to_string(root.join("static/index.html")).unwrap();
    for inline in ["<style", " style=", "<script>", " onclick=", " onload=", "javascript:"] {
        assert!(!page.contains(inline), "the page's policy forbids {inline}");
    }
}
