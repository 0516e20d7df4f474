//! § 17: what browsers are told of files, and TLS.

use reqwest::header::HeaderMap;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::TestServer;
use crate::harness::bucket;
use crate::harness::certificate::Certificate;
use crate::harness::database::Database;

async fn headers(server: &TestServer, path: &str) -> HeaderMap {
    let response = server.http.get(server.url(path)).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.headers().clone()
}

fn has(headers: &HeaderMap, name: &str, part: &str) -> bool {
    headers.get(name).is_some_and(|value| value.to_str().unwrap().contains(part))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p84_what_came_from_outside_runs_nowhere() {
    let server = TestServer::start().await;
    let job = server.submit_blog("tides", true).await;
    let view = server.wait_for_end(&job).await;
    // A program that only knows the database says of its file what it likes.
    let script = b"<script>alert(1)</script>";
    bucket::put(&server.settings.data, &format!("{job}/9/x.svg"), script).await;
    let mut database = Database::open(&server.database()).await;
    let row = "insert into artifact (id, job_id, attempt, kind, media_type, name, path, bytes) \
               values ('file_svg', ?, 9, 'image', 'image/svg+xml', 'a\"b.svg', ?, 25)";
    database.run(row, &[&job, &format!("{job}/9/x.svg")]).await;
    let mut files: Vec<_> = view["artifacts"].as_array().unwrap().iter().collect();
    let svg = json!({ "url": "/api/artifacts/file_svg/content", "media_type": "image/svg+xml" });
    files.push(&svg);
    assert_eq!(files.len(), 4, "Markdown, HTML, sound and a drawing");
    for file in files {
        let media_type = file["media_type"].as_str().unwrap();
        let headers = headers(&server, file["url"].as_str().unwrap()).await;
        let shown = matches!(media_type, "text/markdown" | "audio/wav");
        assert!(has(&headers, "content-type", media_type), "{headers:?}");
        assert!(has(&headers, "x-content-type-options", "nosniff"), "{headers:?}");
        assert!(has(&headers, "content-security-policy", "sandbox; default-src 'none'"));
        let disposition = if shown { "inline; " } else { "attachment; " };
        assert!(has(&headers, "content-disposition", disposition), "{headers:?}");
        let policy = if shown { "cross-origin" } else { "same-origin" };
        assert!(has(&headers, "cross-origin-resource-policy", policy), "{headers:?}");
        assert!(has(&headers, "referrer-policy", "no-referrer"));
    }
    for path in ["/", "/static/studio.js"] {
        let headers = headers(&server, path).await;
        assert!(has(&headers, "content-security-policy", "default-src 'self'"), "{headers:?}");
        assert!(has(&headers, "content-security-policy", "frame-ancestors 'none'"));
        assert!(!has(&headers, "content-security-policy", "unsafe"));
        assert!(has(&headers, "x-frame-options", "DENY"));
        assert!(has(&headers, "referrer-policy", "no-referrer"));
    }
    for path in ["/api/info", &format!("/api/jobs/{job}")] {
        let headers = headers(&server, path).await;
        assert!(has(&headers, "x-content-type-options", "nosniff"), "{path}");
        assert!(has(&headers, "cross-origin-resource-policy", "same-origin"), "{path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p85_over_tls_both_protocols_are_spoken() {
    let folder = TempDir::new().unwrap();
    let shown = Certificate::write(folder.path());
    let server = TestServer::with(|settings| {
        settings.tls_cert = Some(shown.certificate.clone());
        settings.tls_key = Some(shown.key.clone());
    })
    .await
    .at_one_node();
    let url = format!("https://localhost:{}/healthz", server.address.port());
    let client = shown.client(server.address).build().unwrap();
    let old = shown.client(server.address).http1_only().build().unwrap();
    for (client, version) in [(client, reqwest::Version::HTTP_2), (old, reqwest::Version::HTTP_11)]
    {
        let response = client.get(&url).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, version));
    }
    server.stop().await;
}
