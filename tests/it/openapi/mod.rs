//! The document at `/openapi.json` says what the server does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use tailwater::http::Code;

use crate::harness::keys::Locked;
use crate::harness::routes::routes;

mod schema;

/// What each file of `client/golden/` is an example of, by how its name begins.
const SCHEMAS: [(&str, &str); 14] = [
    ("cancel", "CancelAnswer"),
    ("credits", "Credits"),
    ("events_page", "EventPage"),
    ("file", "File"),
    ("info", "Info"),
    ("job", "Job"),
    ("job_page", "JobPage"),
    ("ledger_entry", "LedgerEntry"),
    ("ledger_page", "LedgerPage"),
    ("model", "Model"),
    ("problem", "Problem"),
    ("project", "Project"),
    ("submit", "Submitted"),
    ("upload", "Upload"),
];

/// Codes that no operation has: what is at no path, and what no method takes.
const OF_NO_OPERATION: [Code; 2] = [Code::UnknownProject, Code::MethodNotAllowed];

fn document() -> Value {
    serde_json::to_value(tailwater::http::openapi::document()).expect("plain data")
}

/// Every operation, with its path and its method.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, item)| {
            let item = item.as_object().expect("a path item");
            item.iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

/// A route of the sources as the document writes it: a part that takes slashes is a part like others.
fn as_documented(route: &str) -> String {
    if route == "/api/fal/{*slug}" {
        return "/api/fal/{slug}/submit".into();
    }
    route.replace("{*", "{")
}

/// A path with something for each of its parts.
fn filled(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Every text behind `$ref`, wherever it stands.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_route_and_method_is_in_the_document_and_nothing_else() {
    let document = document();
    let mut documented = BTreeMap::<_, BTreeSet<_>>::new();
    for (path, method, _) in operations(&document) {
        documented.entry(path.to_owned()).or_default().insert(method.to_owned());
    }
    let mut real = BTreeMap::<_, BTreeSet<_>>::new();
    for (route, methods) in routes() {
        let methods = methods.into_iter().map(str::to_owned);
        real.entry(as_documented(&route)).or_default().extend(methods);
    }
    assert_eq!(documented, real);
}

#[test]
fn the_document_holds_together() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut places = BTreeSet::new();
    references(&document, &mut places);
    assert!(places.len() > 50, "{places:?}");
    for place in places {
        let pointer = place.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "there is nothing at {place}");
    }
    let schemes = document["components"]["securitySchemes"].as_object().expect("schemes");
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let here = format!("{method} {path}");
        let id = operation["operationId"].as_str().expect("an id");
        assert!(ids.insert(id), "{here}: '{id}' is another's too");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.len() > 5 && !summary.contains("[`"), "{here}: '{summary}'");
        let in_path: BTreeSet<_> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().expect("a name")))
            .collect();
        let braces: BTreeSet<_> =
            path.split('/').filter(|part| part.starts_with('{')).map(str::to_owned).collect();
        assert_eq!(in_path, braces, "{here}");
        for requirement in operation["security"].as_array().into_iter().flatten() {
            for scheme in requirement.as_object().expect("a requirement").keys() {
                assert!(schemes.contains_key(scheme), "{here}: there is no scheme '{scheme}'");
            }
        }
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{here}");
        for (status, response) in responses {
            let description = response["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "{here}: {status} says nothing");
        }
    }
}

#[test]
fn every_code_is_documented_under_its_own_status() {
    let document = document();
    let mut seen = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let content = &response["content"]["application/problem+json"];
            let codes = &content["schema"]["allOf"][1]["properties"]["code"]["enum"];
            for code in codes.as_array().into_iter().flatten() {
                let code = code.as_str().expect("a code");
                let known = Code::ALL.iter().find(|known| known.entry().code == code);
                let entry = known.expect("a code of ours").entry();
                assert_eq!(entry.status.as_str(), status, "{method} {path}: {code}");
                assert!(content["examples"].get(code).is_some(), "{method} {path}: {code}");
                seen.insert(code.to_owned());
            }
        }
    }
    let all = document["components"]["schemas"]["Code"]["enum"].as_array().expect("an enum");
    assert_eq!(all.len(), Code::ALL.len());
    let missing = Code::ALL.iter().filter(|code| !seen.contains(code.entry().code));
    assert_eq!(missing.copied().collect::<Vec<_>>(), OF_NO_OPERATION);
}

fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// What is wrong with an event of a schema of events: by its name, its id, and what its data says.
fn wrong_with_event(document: &Value, name: &str, event: &Value) -> Vec<String> {
    let variants = document["components"]["schemas"][name]["anyOf"].as_array().expect("variants");
    let names = |variant: &Value| variant["properties"]["event"]["enum"].clone();
    let own = variants.iter().filter(|variant| names(variant) == json!([event["type"]]));
    let mut fitting: Vec<_> = own.collect();
    if fitting.is_empty() {
        fitting = variants.iter().filter(|variant| names(variant).is_null()).collect();
    }
    let wrong = fitting.into_iter().map(|variant| {
        let has_id = variant["properties"].get("id").is_some();
        let strange_id = !event["id"].is_null() && !has_id;
        let content = variant["properties"]["data"].get("contentSchema");
        let mut wrong = content
            .map_or_else(Vec::new, |content| schema::wrong(document, content, &event["data"]));
        wrong.extend(strange_id.then(|| "an id where there is none".to_owned()));
        wrong
    });
    wrong.min_by_key(Vec::len).expect("a variant")
}

#[test]
fn what_the_server_answers_fits_the_schemas() {
    let document = document();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("client/golden");
    let mut checked = 0;
    for entry in fs::read_dir(folder).expect("client/golden/") {
        let path = entry.expect("an entry").path();
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        let answer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        checked += 1;
        let begins = file.split('.').next().expect("a beginning");
        let of_events = match begins {
            "event" => Some("JobEvent"),
            "envelope" | "stream_of_jobs" | "stream_of_project" => Some("ManyEvent"),
            _ => None,
        };
        if let Some(name) = of_events {
            let wrong = wrong_with_event(&document, name, &answer);
            assert!(wrong.is_empty(), "{file} is no {name}: {wrong:#?}");
            continue;
        }
        let (_, name) = SCHEMAS.iter().find(|(start, _)| *start == begins).expect("a schema");
        let wrong = schema::wrong(&document, &named(name), &answer);
        assert!(wrong.is_empty(), "{file} is no {name}: {wrong:#?}");
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn a_schema_refuses_what_the_server_does_not_answer() {
    let document = document();
    let event = |kind: &str, data: Value| json!({ "id": 1, "type": kind, "data": data });
    let is = |name: &str, kind: &str, data: Value| {
        wrong_with_event(&document, name, &event(kind, data)).is_empty()
    };
    assert!(is("JobEvent", "rendered", json!({ "frame": 7 })), "a worker's own");
    assert!(!is("JobEvent", "failed", json!({ "why": "no" })));
    assert!(!is("JobEvent", "progress", json!({ "percent": 101 })));
    assert!(!is("JobEvent", "hello", json!({ "job": "job_1" })), "it has more, and no id");
    assert!(!is("ManyEvent", "progress", json!({ "percent": 7 })), "no envelope");
    let wrong = schema::wrong(&document, &named("Problem"), &json!({ "code": "nothing" }));
    assert!(wrong.iter().any(|wrong| wrong.contains("/code")), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_needs_no_key_and_is_the_same_for_all() {
    let locked = Locked::start().await;
    let answer = locked.get("", "/openapi.json").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.json::<Value>().await.unwrap(), document());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_refused_where_the_document_wants_another_scope() {
    let locked = Locked::with(|settings| settings.workers = 0).await;
    let mut keys = BTreeMap::new();
    for scope in ["submit", "read", "publish"] {
        keys.insert(scope, locked.key(&[scope], None).await.0);
    }
    let document = document();
    let mut refused = 0;
    for (path, method, operation) in operations(&document) {
        let here = format!("{method} {path}");
        let method: Method = method.to_uppercase().parse().unwrap();
        let path = filled(path);
        let without = locked.ask("", method.clone(), &path).send().await.unwrap();
        let Some(security) = operation["security"].as_array() else {
            assert_ne!(without.status(), 403, "{here}");
            assert!(without.status() != 401 || operation["responses"].get("401").is_some());
            continue;
        };
        assert_eq!(without.status(), 401, "{here}");
        let Some(needed) = security[0]["key"][0].as_str() else { continue };
        for (scope, key) in keys.iter().filter(|(scope, _)| **scope != needed) {
            let answer = locked.ask(key, method.clone(), &path).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{here} with '{scope}'");
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["scope"], needed, "{here} with '{scope}'");
            refused += 1;
        }
    }
    assert!(refused > 80, "{refused}");
}
