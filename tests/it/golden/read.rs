//! The Rust client reads every answer too.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tailwater::client::{Balance, Entry, JobPage, JobView, LedgerPage, Model, Submitted, Upload};
use tailwater::event::payload;

/// Reads an answer with the client's type for it, where it has one.
pub fn by_the_client(name: &str, answer: &Value) {
    match name.split_once('.').map_or(name, |(kind, _)| kind) {
        "submit" => reads::<Submitted>(name, answer),
        "job" => reads::<JobView>(name, answer),
        "job_page" => reads::<JobPage>(name, answer),
        "upload" => reads::<Upload>(name, answer),
        "model" => reads::<Model>(name, answer),
        "credits" => reads::<Balance>(name, answer),
        "ledger_page" => reads::<LedgerPage>(name, answer),
        "ledger_entry" => reads::<Entry>(name, answer),
        "event" => payload_of(name, answer),
        _ => {}
    }
}

fn payload_of(name: &str, event: &Value) {
    let data = &event["data"];
    match event["type"].as_str().expect("an event has a type") {
        "status" => reads::<payload::Status>(name, data),
        "progress" => reads::<payload::Progress>(name, data),
        "log" => reads::<payload::Log>(name, data),
        "artifact_ready" => reads::<payload::ArtifactReady>(name, data),
        "tts_completed" => reads::<payload::TtsCompleted>(name, data),
        "failed" => reads::<payload::Failed>(name, data),
        "canceled" => reads::<payload::Canceled>(name, data),
        // An external worker's content is its own affair; ours has all that the client wants.
        "content" if data.get("index").is_some() => reads::<payload::Content>(name, data),
        _ => {}
    }
}

fn reads<T: DeserializeOwned>(name: &str, answer: &Value) {
    if let Err(error) = serde_json::from_value::<T>(answer.clone()) {
        panic!("the client cannot read {name}: {error}\n{answer:#}");
    }
}
