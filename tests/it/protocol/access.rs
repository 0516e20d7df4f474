//! § 15: who may do what.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use tailwater::access::{Key, Subject, Ticket, ticket};
use tailwater::event::now_ms;
use tailwater::server::keys;

use crate::harness::database::Database;
use crate::harness::keys::Locked;
use crate::harness::routes::routes;
use crate::harness::{PATIENCE, TestServer};

use super::{content, event, read_until};

/// Routes that need no key, each with how it begins.
const PUBLIC: [&str; 4] = ["/healthz", "/readyz", "/api/session", "/api/webhooks/"];

/// Every path below `/api`, with something for each of its parts.
fn paths() -> BTreeSet<String> {
    let fill = |route: String| {
        let part =
            |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
        let mut filled = route.split('/').map(part).collect::<Vec<_>>().join("/");
        if route == "/api/fal/{*slug}" {
            filled += "/submit";
        }
        filled
    };
    routes().into_keys().filter(|route| route.starts_with("/api")).map(fill).collect()
}

async fn code(answer: reqwest::Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap_or_default();
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p64_no_route_is_open_by_being_forgotten() {
    let locked = Locked::start().await;
    let mut closed = 0;
    for path in paths() {
        let is_public = PUBLIC.iter().any(|public| path.starts_with(public));
        for method in [Method::GET, Method::POST, Method::DELETE] {
            for key in ["", "tw_wrong", "tkt_wrong"] {
                let answer = locked.ask(key, method.clone(), &path).send().await.unwrap();
                let (status, challenge) =
                    (answer.status(), answer.headers().contains_key("www-authenticate"));
                if status == StatusCode::METHOD_NOT_ALLOWED || is_public {
                    continue;
                }
                let ticket_that_acts = key.starts_with("tkt") && method != Method::GET;
                let expected = if ticket_that_acts { 403 } else { 401 };
                assert_eq!(status, expected, "{method} {path} with '{key}'");
                assert_eq!(challenge, !ticket_that_acts, "{method} {path}");
                closed += 1;
            }
        }
    }
    assert!(closed > 100, "{closed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p64_a_key_does_what_it_is_for() {
    let locked = Locked::with(|settings| settings.workers = 0).await;
    let job = locked.submit(&locked.admin, &json!({ "kind": "external" })).await;
    let job = job["job_id"].as_str().unwrap();
    let events = format!("/api/jobs/{job}/events");
    let doings = [
        ("submit", Method::POST, "/api/jobs", json!({ "kind": "external" })),
        ("read", Method::GET, "/api/jobs", Value::Null),
        ("publish", Method::POST, &events, event("note", &json!({}))),
        ("admin", Method::POST, "/api/credits/grant", json!({ "amount": 1 })),
        ("admin", Method::GET, "/api/keys", Value::Null),
    ];
    for scope in ["submit", "read", "publish", "admin"] {
        let (key, _) = locked.key(&[scope], None).await;
        for (needed, method, path, body) in &doings {
            let answer = locked.ask(&key, method.clone(), path).json(body).send().await.unwrap();
            if scope == *needed || scope == "admin" {
                assert!(answer.status().is_success(), "{scope} {path}");
            } else {
                assert_eq!(code(answer).await, (403, "forbidden".into()), "{scope} {path}");
            }
        }
    }
    let (_, id) = locked.key(&["read"], None).await;
    let keys: Value = locked.get(&locked.admin, "/api/keys").await.json().await.unwrap();
    let list = keys["keys"].as_array().unwrap();
    assert!(list.iter().any(|key| key["id"] == id.as_str()), "{keys}");
    assert!(!keys.to_string().contains("tw_"), "no secret is shown again");
    for one in list {
        let id = one["id"].as_str().unwrap();
        let revoked = locked.ask(&locked.admin, Method::DELETE, &format!("/api/keys/{id}"));
        let status = revoked.send().await.unwrap().status();
        assert!(status == 200 || status == 401, "the first one revokes itself: {status}");
    }
    assert_eq!(code(locked.get("", "/api/jobs").await).await, (401, "unauthorized".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p64_a_wrong_key_is_told_by_field() {
    let locked = Locked::start().await;
    for (body, pointer) in [
        (json!({}), "/scopes"),
        (json!({ "scopes": ["fly"] }), "/scopes"),
        (json!({ "scopes": ["admin"], "project_id": "a" }), "/scopes"),
        (json!({ "scopes": ["read"], "project_id": "a b" }), "/project_id"),
        (json!({ "scopes": ["read"], "name": "a\nb" }), "/name"),
        (json!({ "scopes": ["read"], "expires_in_days": 0 }), "/expires_in_days"),
        (json!({ "scopes": ["read"], "scope": "read" }), "/scope"),
    ] {
        let answer = locked.post(&locked.admin, "/api/keys", &body).await;
        assert_eq!(answer.status(), 400, "{body}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p65_a_project_is_walled_off() {
    let locked = Locked::start().await;
    let (mine, _) = locked.key(&["submit", "read", "publish"], Some("mine")).await;
    let (theirs, _) = locked.key(&["submit", "read", "publish"], Some("theirs")).await;
    let blog = json!({ "kind": "blog", "input": { "topic": "tides", "words": 60 } });
    let blog = locked.submit(&theirs, &blog).await;
    let job = blog["job_id"].as_str().unwrap();
    let mut reader = locked.follow(blog["stream_url"].as_str().unwrap()).await;
    reader.read_to_end().await;
    let view: Value = locked.get(&theirs, &format!("/api/jobs/{job}")).await.json().await.unwrap();
    assert_eq!((&view["project_id"], &view["status"]), (&json!("theirs"), &json!("completed")));
    let file = view["file_id"].as_str().unwrap();
    let upload = locked.ask(&theirs, Method::POST, "/api/uploads?name=a.gif");
    let upload = upload
        .header("content-type", "image/gif")
        .body(&b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"[..]);
    let upload = upload.send().await.unwrap();
    assert_eq!(upload.status(), 201);
    let upload: Value = upload.json().await.unwrap();
    assert_eq!(upload["project_id"], "theirs");
    let upload = upload["id"].as_str().unwrap();
    let chat = json!({ "id": "talk", "messages": [{ "role": "user", "content": "hello" }] });
    assert_eq!(locked.post(&theirs, "/api/chat", &chat).await.status(), 200);

    // What is there for its own key is not for another project's.
    for (path, hidden) in [
        (format!("/api/jobs/{job}"), "unknown_job"),
        (format!("/api/jobs/{job}/events"), "unknown_job"),
        (format!("/api/jobs/{job}/stream"), "unknown_job"),
        (format!("/api/stream?job={job}"), "unknown_job"),
        (format!("/api/file/{file}"), "unknown_file"),
        (format!("/api/artifacts/{file}/content"), "unknown_file"),
        (format!("/api/uploads/{upload}"), "unknown_upload"),
        (format!("/api/uploads/{upload}/content"), "unknown_upload"),
        (format!("/api/check-lipsync?prediction_id={job}"), "unknown_job"),
        (format!("/api/runway/status/{job}"), "unknown_job"),
        (format!("/api/minimax/video/status?task_id={job}"), "unknown_job"),
    ] {
        let own = locked.get(&theirs, &path).await.status();
        assert!(own == 200 || own == 204, "{path}: {own}");
        let answer = locked.get(&mine, &path).await;
        assert_eq!(code(answer).await, (404, hidden.into()), "{path}");
    }
    for path in [
        "/api/projects/theirs/stream",
        "/api/project/theirs",
        "/api/jobs?project_id=theirs",
        "/api/credits?project_id=theirs",
        "/api/deliveries?project_id=theirs",
        "/api/credits/ledger?project_id=theirs",
        "/api/chat/talk/stream?project_id=theirs",
    ] {
        assert_eq!(code(locked.get(&mine, path).await).await, (403, "forbidden".into()), "{path}");
        assert_ne!(locked.get(&theirs, path).await.status(), 403, "{path}");
    }
    assert_eq!(locked.get(&mine, "/api/chat/talk/stream").await.status(), 204, "no such chat");
    let jobs: Value = locked.get(&mine, "/api/jobs").await.json().await.unwrap();
    assert_eq!(jobs["jobs"], json!([]));

    // Neither does it act there.
    let external = locked.submit(&theirs, &json!({ "kind": "external" })).await;
    let external = external["job_id"].as_str().unwrap();
    for (path, body) in [
        (format!("/api/jobs/{external}/cancel"), json!({})),
        (format!("/api/jobs/{external}/events"), event("note", &json!({}))),
        ("/api/chat/talk/stop".into(), json!({})),
        ("/api/tickets".into(), json!({ "job_id": job })),
    ] {
        assert_eq!(locked.post(&mine, &path, &body).await.status(), 404, "{path}");
    }
    for body in [
        json!({ "kind": "external", "project_id": "theirs" }),
        json!({ "kind": "external", "retry_of": job }),
        json!({ "kind": "video", "model": "seedance-i2v",
            "input": { "prompt": "x", "image": format!("/api/uploads/{upload}/content") } }),
    ] {
        let answer = locked.post(&mine, "/api/jobs", &body).await;
        assert_eq!(answer.status(), 400, "{body}: {}", answer.text().await.unwrap());
    }
    let part = "--b\r\ncontent-disposition: form-data; name=";
    let form = format!(
        "{part}\"file\"; filename=\"a.gif\"\r\n\r\nGIF89a\x01\0\x01\0\0\0\0;\r\n{part}\"project_id\"\r\n\r\n\
         theirs\r\n--b--\r\n"
    );
    for (path, kind, body) in [
        ("/api/uploads?project_id=theirs", "image/gif", "GIF89a"),
        ("/api/uploads", "multipart/form-data; boundary=b", &form),
    ] {
        let upload = locked.ask(&mine, Method::POST, path).header("content-type", kind);
        let answer = upload.body(body.to_owned()).send().await.unwrap();
        assert_eq!(code(answer).await, (403, "forbidden".into()), "{path} {kind}");
    }
    let own = locked.submit(&mine, &json!({ "kind": "external" })).await;
    let announce = event("artifact_ready", &json!({ "artifact": { "id": upload } }));
    let path = format!("/api/jobs/{}/events", own["job_id"].as_str().unwrap());
    let answer = locked.post(&mine, &path, &announce).await;
    assert_eq!(answer.status(), 400, "a file of another project is no file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p65_a_project_with_a_key_pays_for_itself() {
    let locked = Locked::with(|settings| settings.workers = 0).await;
    let (key, _) = locked.key(&["submit", "read"], Some("paying")).await;
    let video =
        json!({ "kind": "video", "model": "seedance-t2v", "input": { "prompt": "a kite" } });
    let refused = locked.post(&key, "/api/jobs", &video).await;
    assert_eq!(code(refused).await, (402, "insufficient_credits".into()));
    let grant = json!({ "amount": 5_000_000, "project_id": "paying" });
    assert_eq!(locked.post(&locked.admin, "/api/credits/grant", &grant).await.status(), 201);
    locked.submit(&key, &video).await;
    let own: Value = locked.get(&key, "/api/credits").await.json().await.unwrap();
    assert_eq!((&own["account"], &own["granted"]), (&json!("project:paying"), &json!(5_000_000)));
    assert!(own["held"].as_i64().unwrap() > 0, "{own}");
    let common: Value = locked.get(&locked.admin, "/api/credits").await.json().await.unwrap();
    assert_eq!((&common["account"], &common["held"]), (&json!("default"), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p66_a_ticket_opens_one_job_for_reading() {
    let locked = Locked::start().await;
    let (key, id) = locked.key(&["submit"], None).await;
    let blog = json!({ "kind": "blog", "input": { "topic": "tides", "words": 60 } });
    let blog = locked.submit(&key, &blog).await;
    let url = blog["stream_url"].as_str().unwrap();
    let (_, ticket) = url.split_once("?ticket=").expect("a ticket");
    let mut reader = locked.follow(url).await;
    assert_eq!(reader.status, 200);
    let messages = reader.read_to_end().await;
    let file = messages.iter().find(|message| message.event == "artifact_ready").unwrap();
    let file = file.data["artifact"]["url"].as_str().unwrap();
    let job = blog["job_id"].as_str().unwrap();
    for path in [
        file.to_owned(),
        format!("/api/jobs/{job}"),
        format!("/api/jobs/{job}/events?after=0"),
        format!("/api/stream?job={job}"),
    ] {
        let sign = if path.contains('?') { '&' } else { '?' };
        let by_query = locked.get("", &format!("{path}{sign}ticket={ticket}")).await;
        assert_eq!(by_query.status(), 200, "{path}");
        assert_eq!(locked.get(ticket, &path).await.status(), 200, "in a header: {path}");
    }
    let view: Value = locked.get(ticket, &format!("/api/jobs/{job}")).await.json().await.unwrap();
    assert_eq!(view["stream_url"], url, "a ticket prolongs none");

    let other = locked.submit(&locked.admin, &json!({ "kind": "external" })).await;
    let other = other["job_id"].as_str().unwrap();
    for (method, path, status) in [
        (Method::GET, format!("/api/jobs/{other}/stream"), 404),
        (Method::GET, "/api/jobs".into(), 403),
        (Method::GET, "/api/credits".into(), 403),
        (Method::GET, "/api/projects/default/stream".into(), 403),
        (Method::GET, "/api/keys".into(), 403),
        (Method::POST, format!("/api/jobs/{job}/cancel"), 403),
        (Method::DELETE, format!("/api/jobs/{job}"), 403),
        (Method::POST, "/api/tickets".into(), 403),
    ] {
        let path = format!("{path}?ticket={ticket}");
        let answer = locked.ask("", method.clone(), &path).send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
    }
    let changed = format!("{url}x");
    assert_eq!(locked.get("", &changed).await.status(), 401);
    let revoke = locked.ask(&locked.admin, Method::DELETE, &format!("/api/keys/{id}"));
    assert_eq!(revoke.send().await.unwrap().status(), 200);
    assert_eq!(code(locked.get("", url).await).await, (401, "unauthorized".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p66_a_projects_ticket_opens_its_jobs() {
    let locked = Locked::start().await;
    let submit = |project: &str| json!({ "kind": "external", "project_id": project });
    let own = locked.submit(&locked.admin, &submit("a")).await;
    let other = locked.submit(&locked.admin, &submit("b")).await;
    let body = json!({ "project_id": "a" });
    let made = locked.post(&locked.admin, "/api/tickets", &body).await;
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let ticket = made["ticket"].as_str().unwrap();
    let mut reader = locked.follow(made["stream_url"].as_str().unwrap()).await;
    assert_eq!((reader.status, reader.next().await.unwrap().event), (200, "hello".into()));
    let stream = |job: &Value| format!("/api/jobs/{}/stream", job["job_id"].as_str().unwrap());
    assert_eq!(locked.get(ticket, &stream(&own)).await.status(), 200);
    assert_eq!(locked.get(ticket, &stream(&other)).await.status(), 404);
    assert_eq!(locked.get(ticket, "/api/projects/b/stream").await.status(), 403);
    let jobs: Value = locked.get(ticket, "/api/jobs").await.json().await.unwrap();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p66_a_jobs_ticket_ends_an_hour_after_the_job() {
    let locked = Locked::start().await;
    let job = locked.submit(&locked.admin, &json!({ "kind": "external" })).await;
    let url = job["stream_url"].as_str().unwrap();
    let job = job["job_id"].as_str().unwrap();
    let push = format!("/api/jobs/{job}/events?durable=true");
    let end = locked.post(&locked.admin, &push, &event("completed", &json!({}))).await;
    assert_eq!(end.status(), 200);
    assert_eq!(locked.get("", url).await.status(), 200);
    // The job ended two hours ago, by its row.
    let key = locked.key(&["read"], None).await.0;
    let row = locked.server.settings.data.join(tailwater::db::FILE);
    let mut database = Database::open(&row).await;
    database.run("update job set ended_at = ended_at - 7200000 where id = ?", &[job]).await;
    let view: Value = locked.get(&key, &format!("/api/jobs/{job}")).await.json().await.unwrap();
    let fresh = view["stream_url"].as_str().unwrap();
    assert_eq!(locked.get("", fresh).await.status(), 200, "an hour from when it was handed out");
    // Tickets as the server handed them out that long ago.
    let rows = keys::list(&locked.server.settings).await.unwrap();
    let signer = Key::new(rows[0].clone(), 1);
    let subject = Subject::Job(job.parse().unwrap());
    for (minutes_ago, status) in [(119, 401), (61, 401), (59, 200)] {
        let expires_at = now_ms() - minutes_ago * 60_000 + ticket::LIFE;
        let ticket = Ticket::issue(&signer, &subject, expires_at);
        let answer = locked.get("", &format!("/api/jobs/{job}/stream?ticket={ticket}")).await;
        assert_eq!(answer.status(), status, "{minutes_ago}");
        if status == 401 {
            assert_eq!(code(answer).await.1, "expired_ticket");
        }
    }
    let over = Ticket::issue(&signer, &subject, now_ms() - 1000);
    let answer = locked.get(&over, &format!("/api/jobs/{job}")).await;
    assert_eq!(code(answer).await, (401, "expired_ticket".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p67_what_a_key_opened_ends_with_it() {
    let locked = Locked::start().await;
    let job = locked.submit(&locked.admin, &json!({ "kind": "external" })).await;
    let job = job["job_id"].as_str().unwrap();
    let (key, id) = locked.key(&["read", "publish"], None).await;
    let ticket = locked.post(&key, "/api/tickets", &json!({ "job_id": job })).await;
    let ticket: Value = ticket.json().await.unwrap();
    let ticket = ticket["ticket"].as_str().unwrap();
    let mut readers = Vec::new();
    for path in [
        format!("/api/jobs/{job}/stream?ticket={ticket}"),
        format!("/api/stream?job={job}&ticket={ticket}"),
    ] {
        let mut reader = locked.follow(&path).await;
        read_until(&mut reader, "hello").await;
        readers.push(reader);
    }
    let (go, lines) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(1);
    let lines =
        futures_util::stream::unfold(lines, async |mut lines| Some((lines.recv().await?, lines)));
    let pushing = locked.ask(&key, Method::POST, &format!("/api/jobs/{job}/events"));
    let pushing = pushing.header("content-type", "application/x-ndjson");
    let pushing = tokio::spawn(pushing.body(reqwest::Body::wrap_stream(lines)).send());
    go.send(Ok(format!("{}\n", content("before")))).await.unwrap();
    for reader in &mut readers {
        read_until(reader, "content").await;
    }
    let revoke = locked.ask(&locked.admin, Method::DELETE, &format!("/api/keys/{id}"));
    assert_eq!(revoke.send().await.unwrap().status(), 200);
    for reader in &mut readers {
        let rest = reader.read_to_end().await;
        let bye = rest.last().expect("a goodbye");
        assert_eq!((bye.event.as_str(), &bye.data["reason"]), ("bye", &json!("revoked")));
    }
    let refused = tokio::time::timeout(PATIENCE, pushing).await.unwrap().unwrap().unwrap();
    assert_eq!(code(refused).await, (401, "unauthorized".into()));
    drop(go);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p67_a_key_that_another_process_revoked_ends_too() {
    let locked = Locked::start().await.at_one_node();
    let job = locked.submit(&locked.admin, &json!({ "kind": "external" })).await;
    let mut reader = locked.follow(job["stream_url"].as_str().unwrap()).await;
    read_until(&mut reader, "hello").await;
    let settings = &locked.server.settings;
    let keys = keys::list(settings).await.unwrap();
    keys::revoke(settings, &keys[0].id).await.unwrap();
    let rest = reader.read_to_end().await;
    assert_eq!(rest.last().unwrap().data["reason"], "revoked");
    assert_eq!(locked.get(&locked.admin, "/api/jobs").await.status(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p68_a_session_is_a_cookie_that_ends() {
    let locked = Locked::with(|settings| {
        settings.public_url = Some("https://jobs.example.com".into());
    })
    .await;
    let wrong = locked.post("", "/api/session", &json!({ "key": "tw_wrong" })).await;
    assert_eq!(code(wrong).await, (401, "unauthorized".into()));
    let (key, id) = locked.key(&["read"], Some("a")).await;
    let opened = locked.post("", "/api/session", &json!({ "key": key })).await;
    assert_eq!(opened.status(), 201);
    let cookie = opened.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in ["__Host-tailwater_session=tw_", "Path=/", "HttpOnly", "SameSite=Strict", "Secure"]
    {
        assert!(cookie.contains(part), "{cookie}");
    }
    let view: Value = opened.json().await.unwrap();
    assert_eq!(view["kind"], "session");
    assert_eq!((&view["scopes"], &view["project_id"]), (&json!(["read"]), &json!("a")));
    let pair = cookie.split(';').next().unwrap();
    let by_cookie =
        |method: Method, path: &str| locked.ask("", method, path).header("cookie", pair).send();
    assert_eq!(by_cookie(Method::GET, "/api/jobs").await.unwrap().status(), 200);
    let submit = by_cookie(Method::POST, "/api/jobs").await.unwrap();
    assert_eq!(code(submit).await, (403, "forbidden".into()));
    let secret = pair.split_once('=').unwrap().1;
    let nested = locked.post("", "/api/session", &json!({ "key": secret })).await;
    assert_eq!(nested.status(), 401, "a session opens none");
    let closed = by_cookie(Method::DELETE, "/api/session").await.unwrap();
    assert!(closed.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(by_cookie(Method::GET, "/api/jobs").await.unwrap().status(), 401);
    // Another one ends with its key.
    let opened = locked.post("", "/api/session", &json!({ "key": key })).await;
    let cookie = opened.headers()["set-cookie"].to_str().unwrap().to_owned();
    let pair = cookie.split(';').next().unwrap();
    let who =
        |pair: &str| locked.ask("", Method::GET, "/api/session").header("cookie", pair).send();
    assert_eq!(who(pair).await.unwrap().status(), 200);
    let revoke = locked.ask(&locked.admin, Method::DELETE, &format!("/api/keys/{id}"));
    assert_eq!(revoke.send().await.unwrap().status(), 200);
    assert_eq!(who(pair).await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p69_another_sites_page_changes_nothing() {
    let server = TestServer::with(|settings| {
        settings.cors_origins = vec!["https://app.example.com".into()];
    })
    .await;
    let submit = |site: &str, origin: &str| {
        let request =
            server.http.post(server.url("/api/jobs")).json(&json!({ "kind": "external" }));
        request.header("sec-fetch-site", site).header("origin", origin).send()
    };
    let refused = submit("cross-site", "https://evil.example").await.unwrap();
    assert!(!refused.headers().contains_key("access-control-allow-origin"));
    assert_eq!(code(refused).await, (403, "cross_site".into()));
    let listed = submit("cross-site", "https://app.example.com").await.unwrap();
    assert_eq!(listed.status(), 202);
    let allowed = &listed.headers()["access-control-allow-origin"];
    assert_eq!(allowed, "https://app.example.com");
    let own = submit("same-origin", &server.url("")).await.unwrap();
    assert_eq!(own.status(), 202);

    let ask = server.http.request(Method::OPTIONS, server.url("/api/jobs"));
    let ask = ask.header("origin", "https://app.example.com");
    let ask = ask.header("access-control-request-method", "POST");
    let ask = ask.header("access-control-request-headers", "authorization,idempotency-key");
    let answer = ask.send().await.unwrap();
    assert!(answer.status().is_success());
    let headers = answer.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(headers.contains("authorization") && headers.contains("idempotency-key"), "{headers}");
    assert!(!answer.headers().contains_key("access-control-allow-credentials"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p69_a_server_without_keys_answers_to_no_strange_name() {
    let locked = Locked::start().await;
    let open = TestServer::start().await;
    let of = |server: &TestServer| {
        let request = server.http.get(server.url("/api/jobs"));
        request.header("host", "rebound.example").send()
    };
    assert_eq!(code(of(&open).await.unwrap()).await, (421, "wrong_host".into()));
    let answer = of(&locked.server).await.unwrap();
    assert_eq!(code(answer).await, (401, "unauthorized".into()), "keys are defence enough");
}
