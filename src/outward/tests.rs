//! The clients against real sockets and a source of addresses of our own.

use super::*;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use futures_util::future::BoxFuture;
use reqwest::dns::Resolve as _;
use tokio::net::TcpListener;

/// Gives these answers, one after the other, and the last one for ever.
#[derive(Debug)]
struct Script {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Script {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answer = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        let answers = Mutex::new(answers.iter().map(answer).collect());
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }
}

impl Lookup for Script {
    fn lookup(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(std::future::ready(Ok(answer.unwrap())))
    }
}

fn outward(lookup: Arc<Script>) -> Outward {
    rustls::crypto::ring::default_provider().install_default().ok();
    Outward::resolving_by(lookup).unwrap()
}

/// A host on this machine; gives its port.
async fn host(router: Router) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

async fn resolved(resolver: &PublicOnly) -> Result<Vec<IpAddr>, String> {
    let found = resolver.resolve("a.example".parse().unwrap()).await;
    let found = found.map_err(|error| error.to_string())?;
    Ok(found.map(|address| address.ip()).collect())
}

#[tokio::test]
async fn of_a_name_only_public_addresses_are_connected_to() {
    let script = Script::new(&[&["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"]]);
    let public: [IpAddr; 2] = ["1.1.1.1".parse().unwrap(), "2606:4700::1111".parse().unwrap()];
    assert_eq!(resolved(&PublicOnly(script)).await.unwrap(), public);
}

#[tokio::test]
async fn a_name_that_becomes_private_between_two_looks_is_refused_at_the_second() {
    let script = Script::new(&[&["1.1.1.1"], &["127.0.0.1"]]);
    let resolver = PublicOnly(script);
    assert_eq!(resolved(&resolver).await.unwrap().len(), 1);
    assert!(resolved(&resolver).await.unwrap_err().contains("not on the internet"));
}

#[tokio::test]
async fn a_name_with_a_private_address_is_looked_up_once_and_never_asked() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            ASKED.fetch_add(1, Ordering::SeqCst);
        }
    });
    let script = Script::new(&[&["127.0.0.1"]]);
    let outward = outward(Arc::clone(&script));
    let url = format!("https://rebound.example:{port}/x?key=secret");
    let target = Target::parse(&url, Trust::Nobody).unwrap();
    let error = outward.get(target, Trust::Nobody, 0).await.unwrap_err();
    assert_eq!(error.to_string(), "the address is not on the internet, and is not followed");
    assert_eq!((script.asked.load(Ordering::SeqCst), ASKED.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_trusted_name_is_asked_and_learns_nothing_of_us() {
    async fn names(headers: HeaderMap) -> String {
        let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        format!("{}; {}", names.join(" "), headers["user-agent"].to_str().unwrap())
    }
    let port = host(Router::new().route("/x", get(names))).await;
    let outward = outward(Script::new(&[&["127.0.0.1"]]));
    let trust = Trust::Host("simulator.example");
    let url = format!("http://simulator.example:{port}/x");
    let response = outward.get(Target::parse(&url, trust).unwrap(), trust, 0).await.unwrap();
    let seen = response.text().await.unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(seen, format!("accept host user-agent; tailwater/{version}"));
}

#[tokio::test]
async fn each_redirect_is_looked_at_like_the_first_address() {
    let to = |place: &'static str| {
        get(move || async move { (StatusCode::FOUND, [(LOCATION, place)]).into_response() })
    };
    let router = Router::new()
        .route("/once", to("/file"))
        .route("/ever", to("/ever"))
        .route("/private", to("http://169.254.169.254/latest/meta-data"))
        .route("/plain", to("http://a.example/file"))
        .route("/file", get(|| async { "here" }));
    let port = host(router).await;
    let outward = outward(Script::new(&[&["127.0.0.1"]]));
    let trust = Trust::Host("simulator.example");
    let ask = |path: &str, redirects| {
        let url = format!("http://simulator.example:{port}/{path}");
        outward.get(Target::parse(&url, trust).unwrap(), trust, redirects)
    };
    let response = ask("once", 3).await.unwrap();
    assert_eq!(
        (response.status(), response.text().await.unwrap()),
        (StatusCode::OK, "here".into())
    );
    for (path, redirects) in [("once", 0), ("ever", 3)] {
        assert_eq!(ask(path, redirects).await.unwrap().status(), StatusCode::FOUND, "{path}");
    }
    let error = ask("private", 3).await.unwrap_err().to_string();
    let private = "is not on the internet, and is not followed";
    assert_eq!(error, format!("it leads to another address, which {private}"));
    let error = ask("plain", 3).await.unwrap_err().to_string();
    assert!(error.ends_with("which begins with 'http:' and not with 'https:'"), "{error}");
}

#[tokio::test]
async fn what_a_failure_says_has_no_address_in_it() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let outward = outward(Script::new(&[&["127.0.0.1"]]));
    let url = format!("http://127.0.0.1:{port}/x?key=secret");
    let target = Target::parse(&url, Trust::Everybody).unwrap();
    let error = outward.get(target, Trust::Everybody, 0).await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(matches!(error, NoAnswer::Transport { is_unsent: true, .. }), "{error:?}");
}
