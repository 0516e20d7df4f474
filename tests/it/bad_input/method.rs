//! Routes, methods and parameters that there are not.

use reqwest::Method;

use super::{send, works_on};
use crate::harness::{Reader, TestServer};

#[tokio::test]
async fn what_is_no_route_is_a_problem() {
    let server = TestServer::start().await;
    let long = format!("/{}", "a".repeat(5000));
    for path in
        ["/nothing", "/api", "/api/", "/api/jobs/", "/api//jobs", "/static/../Cargo.toml", &long]
    {
        let answer = send(server.http.get(server.url(path))).await;
        answer.problem(404, "unknown_route");
    }
    send(server.http.get(server.url("/static/%ff"))).await.problem(400, "invalid_parameter");
    works_on(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let own = format!("/api/jobs/{job}");
    for (method, path, allowed) in [
        ("PUT", "/api/jobs", "GET,HEAD,POST"),
        ("PATCH", own.as_str(), "DELETE,GET,HEAD"),
        ("POST", &own, "DELETE,GET,HEAD"),
        ("GET", &format!("{own}/cancel"), "POST"),
        ("POST", &format!("{own}/stream"), "GET,HEAD"),
        ("DELETE", &format!("{own}/events"), "GET,HEAD,POST"),
        ("POST", "/api/stream", "GET,HEAD"),
        ("OPTIONS", "/healthz", "GET,HEAD"),
        ("FROBNICATE", "/", "GET,HEAD"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = send(server.http.request(method.clone(), server.url(path))).await;
        answer.problem(405, "method_not_allowed");
        let mut allow: Vec<_> = answer.headers["allow"].to_str().unwrap().split(',').collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
    }
    assert_eq!(server.get(&own).await.1["status"], "pending");
    server.stop().await;
}

#[tokio::test]
async fn an_unknown_job_is_unknown_by_every_route() {
    let server = TestServer::start().await.at_one_node();
    let long = "x".repeat(3000);
    for id in [
        "job_nobody",
        "nothing",
        "file_x",
        "job_",
        "job_%00",
        "job_%0a",
        "job_%E2%80%AE",
        "..",
        &long,
    ] {
        for (method, path) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::POST, "/cancel"),
            (Method::GET, "/stream"),
            (Method::GET, "/events"),
            (Method::POST, "/events"),
        ] {
            // The client library would resolve dots by itself.
            let id = id.replace('.', "%2e");
            if id == "%2e%2e" {
                continue;
            }
            let url = server.url(&format!("/api/jobs/{id}{path}"));
            send(server.http.request(method, url)).await.problem(404, "unknown_job");
        }
        let url = server.url(&format!("/api/stream?job={id}"));
        send(server.http.get(url)).await.problem(404, "unknown_job");
    }
    for path in ["", "/stream", "/events", "/cancel"] {
        let method = if path == "/cancel" { Method::POST } else { Method::GET };
        let request = server.http.request(method, server.url(&format!("/api/jobs/%ff{path}")));
        send(request).await.problem(400, "invalid_parameter");
    }
    send(server.http.get(server.url("/api/project/%ff"))).await.problem(400, "invalid_parameter");
    send(server.http.get(server.url("/api/project/a%20b"))).await.problem(400, "invalid_parameter");
    server.stop().await;
}

#[tokio::test]
async fn a_bad_parameter_is_named_with_what_is_allowed() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    for (path, part) in [
        ("/api/jobs?status=happy".to_owned(), "'status'"),
        ("/api/jobs?kind=vidoe".into(), "'kind'"),
        ("/api/jobs?limit=0".into(), "from 1 to 200"),
        ("/api/jobs?limit=many".into(), "'many'"),
        ("/api/jobs?before=yesterday".into(), "'before'"),
        ("/api/jobs?sort=up".into(), "'sort'"),
        (format!("/api/jobs/{job}/events?limit=1001"), "from 1 to 1000"),
        (format!("/api/jobs/{job}/events?wait=26"), "from 0 to 25"),
        (format!("/api/jobs/{job}/events?wait=-1"), "'-1'"),
        (format!("/api/jobs/{job}/events?affter=1"), "'affter'"),
        ("/api/stream".into(), "1 to 100 jobs"),
        ("/api/stream?job=".into(), "1 to 100 jobs"),
        ("/api/projects/x/stream?include=everything".into(), "'everything'"),
    ] {
        let answer = send(server.http.get(server.url(&path))).await;
        let detail = answer.problem(400, "invalid_parameter")["detail"].to_string();
        assert!(detail.contains(part), "{path}: {detail}");
    }
    let url = server.url(&format!("/api/jobs/{job}/events?durable=perhaps"));
    let answer = send(server.http.post(url).body("{\"type\":\"x\"}")).await;
    answer.problem(400, "invalid_parameter");
    let jobs: String = (0..101).map(|n| format!("job=job_{n}&")).collect();
    let answer = send(server.http.get(server.url(&format!("/api/stream?{jobs}")))).await;
    answer.problem(400, "invalid_parameter");
    server.stop().await;
}

#[tokio::test]
async fn of_a_parameter_that_comes_twice_the_last_counts_and_encoding_does_not() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let encoded: String = job.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (status, view) = server.get(&format!("/api/jobs/{encoded}")).await;
    assert_eq!((status, view["id"].as_str()), (200, Some(job.as_str())));
    let (status, page) = server.get("/api/jobs?limit=5&%6Cimit=1&status=&kind=external").await;
    assert_eq!((status, page["jobs"].as_array().unwrap().len()), (200, 1));
    let (_, page) = server.get(&format!("/api/jobs/{job}/events?after=x&after=0")).await;
    assert!(page.get("gap").is_none(), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_passes_over_parameters_that_others_have_added() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    for path in [
        format!("/api/jobs/{job}/stream?_=123&lastEventId=&keepalive=perhaps&utm_source=x"),
        format!("/api/stream?job={job}&ticket=later"),
        "/api/projects/default/stream?v=2&%ff=%fe".into(),
    ] {
        let mut reader = Reader::open(&server.http, &server.url(&path), None).await;
        assert_eq!(reader.status, 200, "{path}");
        assert_eq!(reader.next().await.unwrap().event, "hello");
    }
    server.stop().await;
}
