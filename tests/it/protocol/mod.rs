//! The protocol, clause by clause: every clause of `PROTOCOL.md` has at least one test here that is
//! named after it, and [`index`] fails when one is missing.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod access;
mod attacks;
mod cancel;
mod chat;
pub mod crash;
mod credits;
mod database;
mod edge;
mod errors;
mod held;
mod index;
mod ingest;
mod limits;
mod lipsync;
mod many;
mod media;
mod models;
mod operator;
mod polling;
mod provider;
mod raw;
mod stream;
mod stream_cursor;
mod stream_end;
mod stream_text;
mod submit;
mod tasks;
mod uploads;
mod upstream;
mod waiting;
mod webhooks;

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::database::Database;
use crate::harness::{Message, Reader, TestServer};

use crash::Killable;
use provider::Provider;
use raw::Raw;
use upstream::Upstream;

/// The names of events that end a job.
const TERMINAL: [&str; 3] = ["completed", "failed", "canceled"];

/// An event of an external worker.
fn event(kind: &str, data: &Value) -> Value {
    json!({ "type": kind, "data": data })
}

/// A piece of text of an external worker.
fn content(text: &str) -> Value {
    event("content", &json!({ "text": text }))
}

/// The events about a job: those that have an id and are no snapshot.
fn about_the_job(messages: &[Message]) -> Vec<Message> {
    let is_about = |message: &&Message| message.id.is_some() && message.event != "snapshot";
    messages.iter().filter(is_about).cloned().collect()
}

/// The names of events, in order.
fn names(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.event.as_str()).collect()
}

/// Everything up to an event with this name, and that.
async fn read_until(reader: &mut Reader, event: &str) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    while messages.last().is_none_or(|last| last.event != event) {
        messages.push(reader.next().await.unwrap_or_else(|| panic!("no '{event}': {messages:?}")));
    }
    messages
}

/// An id as a client sends it.
fn cursor(message: &Message) -> String {
    message.id.expect("an event about the job").to_string()
}

/// An external job with as many pieces of text, and its end.
async fn ended_job(server: &TestServer, pieces: usize) -> String {
    let job = server.submit_external().await;
    let mut events: Vec<_> = (0..pieces).map(|piece| content(&format!("piece {piece};"))).collect();
    events.push(event("completed", &json!({ "pieces": pieces })));
    let (status, answer) = server.push(&job, &events).await;
    assert_eq!(status, 200, "{answer}");
    job
}

/// A program beside the server that keeps it from writing, until it lets go.
async fn lock_database(file: &Path) -> Database {
    let mut database = Database::open(file).await;
    database.lock().await;
    database
}

/// Lets the server write again.
async fn unlock(mut database: Database) {
    database.unlock().await;
}
