//! Ranges that mean nothing, and files that are not there.

use reqwest::Method;

use super::{Answer, send};
use crate::harness::TestServer;

#[tokio::test]
async fn a_bad_range_is_the_whole_file_or_told_its_size() {
    let server = TestServer::start().await;
    let job = server.submit_blog("tides", false).await;
    let view = server.wait_for_end(&job).await;
    let url = server.url(view["artifacts"][0]["url"].as_str().unwrap());
    let whole = server.http.get(&url).send().await.unwrap().text().await.unwrap();
    let size = whole.len();
    let get = |range: &str| send(server.http.get(&url).header("range", range));
    // Not valid, another unit, or several at once: a server may ignore these (RFC 9110, 14.2).
    for range in [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=--5",
        "bytes=1-2-3",
        "bytes=-1-",
        "bytes=0x1-",
        "bytes=+1-2",
        "items=0-1",
        "bytes=0-1,3-4",
        "bytes=1.5-2",
    ] {
        let Answer { status, headers, body } = get(range).await;
        assert_eq!((status, body.as_str()), (200, Some(whole.as_str())), "{range:?}");
        assert!(!headers.contains_key("content-range"), "{range:?}");
    }
    for range in [
        format!("bytes={size}-"),
        "bytes=-0".into(),
        "bytes=18446744073709551615-".into(),
        "bytes=99999999999999999999999-".into(),
        format!("bytes={size}-18446744073709551616"),
    ] {
        let answer = get(&range).await;
        answer.problem(416, "range_not_satisfiable");
        assert_eq!(answer.headers["content-range"], format!("bytes */{size}"), "{range}");
    }
    for (range, part) in [
        ("bytes=0-99999999999999999999999", &whole[..]),
        ("bytes=-99999999999999999999999", &whole[..]),
        ("Bytes = 0-0", &whole[..1]),
        ("bytes=,, 1-2 ,", &whole[1..3]),
    ] {
        let Answer { status, body, .. } = get(range).await;
        assert_eq!((status, body.as_str()), (206, Some(part)), "{range}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_is_not_there_is_a_problem_by_every_route() {
    let server = TestServer::with(|settings| settings.workers = 0).await.at_one_node();
    for id in ["file_nobody", "nothing", "..%2f..%2fetc%2fpasswd", "%ff", "file_%00", "job_x"] {
        for path in [format!("/api/artifacts/{id}/content"), format!("/api/file/{id}")] {
            let answer = send(server.http.get(server.url(&path))).await;
            let known = ["unknown_file", "invalid_parameter"]
                .contains(&answer.body["code"].as_str().unwrap());
            assert!(known && matches!(answer.status, 400 | 404), "{path}: {answer:?}");
            answer.problem(answer.status, answer.body["code"].as_str().unwrap());
        }
    }
    let (_, job) = server
        .post("/api/jobs", &serde_json::json!({"kind": "blog", "input": {"topic": "x"}}))
        .await;
    let path = format!("/api/artifacts/{}/content", job["file_id"].as_str().unwrap());
    let answer = send(server.http.get(server.url(&path))).await;
    answer.problem(404, "file_not_ready");
    assert!(answer.headers.contains_key("retry-after"));
    let head = server.http.request(Method::HEAD, server.url(&path)).send().await.unwrap();
    assert_eq!(head.status(), 404);
    server.stop().await;
}
