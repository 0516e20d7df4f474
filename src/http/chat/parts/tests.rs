//! What each event becomes.

use super::*;
use crate::event::{Draft, EventId, EventType};
use crate::job::Kind;

fn snapshot(job: &JobId, attempt: u32, text: &str) -> Snapshot {
    Snapshot {
        id: EventId::ZERO,
        job: job.clone(),
        kind: Kind::Chat,
        status: if attempt == 0 { Status::Pending } else { Status::Running },
        attempt,
        progress: Progress::default(),
        text: text.into(),
        text_offset: 0,
        artifacts: Vec::new(),
    }
}

/// The events as a page of the log has them.
fn frames(events: &[(EventType, Value)]) -> Vec<u8> {
    let frame = |(index, (kind, data)): (usize, &(EventType, Value))| {
        let id = EventId::from_u64(1 + index as u64).unwrap();
        Draft::new(kind.clone(), data, 7).seal(id).bytes().to_vec()
    };
    events.iter().enumerate().flat_map(frame).collect()
}

fn content(text: &str) -> (EventType, Value) {
    (EventType::Content, json!({ "index": 0, "offset": 0, "text": text, "attempt": 1 }))
}

fn status(attempt: u32) -> (EventType, Value) {
    (EventType::Status, json!({ "status": "running", "attempt": attempt }))
}

fn file(id: &str, kind: &str, media_type: &str) -> Value {
    let url = format!("/api/artifacts/{id}/content");
    json!({ "id": id, "kind": kind, "media_type": media_type, "url": url, "bytes": 5 })
}

/// The parts in some bytes, and whether `[DONE]` is the last of them.
fn read(bytes: &[u8]) -> (Vec<Value>, bool) {
    let text = std::str::from_utf8(bytes).unwrap();
    let events = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
    let mut events: Vec<_> = events.collect();
    let is_done = events.pop_if(|last| *last == "[DONE]").is_some();
    (events.iter().map(|event| serde_json::from_str(event).unwrap()).collect(), is_done)
}

fn types(bytes: &[u8]) -> Vec<String> {
    read(bytes).0.iter().map(|part| part["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_message_is_told_from_its_start_to_its_finish() {
    let job = JobId::generate();
    let mut parts = Parts::new(&job, "https://tailwater.test");
    let (opening, _) = read(&parts.open(&snapshot(&job, 0, "")));
    let pending = json!({ "status": "pending", "attempt": 0 });
    let expected = [
        json!({ "type": "start", "messageId": job }),
        json!({ "type": "data-job", "data": pending, "transient": true }),
    ];
    assert_eq!(opening, expected);
    let page = frames(&[
        status(1),
        (EventType::Progress, json!({ "percent": 10, "stage": "writing", "message": "2 words" })),
        content("Salt\n"),
        content("water"),
        (
            EventType::ArtifactReady,
            json!({ "artifact": file("file_1", "markdown", "text/markdown") }),
        ),
        (EventType::ArtifactReady, json!({ "artifact": file("file_2", "voice", "audio/wav") })),
        (EventType::TtsCompleted, json!({ "artifact_id": "file_2" })),
        (EventType::Log, json!({ "line": "x", "level": "info" })),
        (EventType::Completed, json!({ "words": 2 })),
    ]);
    let (told, is_done) = read(&parts.page(&page));
    let running = json!({ "status": "running", "attempt": 1 });
    let progress = json!({ "percent": 10, "stage": "writing", "message": "2 words" });
    let result = json!({ "words": 2, "at": 7 });
    let expected = [
        json!({ "type": "data-job", "data": running, "transient": true }),
        json!({ "type": "data-progress", "id": "progress", "data": progress }),
        json!({ "type": "text-start", "id": "text-1" }),
        json!({ "type": "text-delta", "id": "text-1", "delta": "Salt\n" }),
        json!({ "type": "text-delta", "id": "text-1", "delta": "water" }),
        json!({
            "type": "file", "mediaType": "audio/wav",
            "url": "https://tailwater.test/api/artifacts/file_2/content",
        }),
        json!({ "type": "text-end", "id": "text-1" }),
        json!({
            "type": "finish", "finishReason": "stop",
            "messageMetadata": { "jobId": job, "status": "completed", "result": result },
        }),
    ];
    assert_eq!(told, expected);
    assert!(is_done && parts.has_told_end());
    // Nothing follows, whatever comes.
    assert!(parts.page(&frames(&[content("more")])).is_empty());
    assert_eq!(parts.break_off("the server is going down"), None);
}

#[test]
fn what_was_made_before_comes_in_one_piece() {
    let job = JobId::generate();
    let mut parts = Parts::new(&job, "");
    let mut earlier = snapshot(&job, 2, "half a sen");
    earlier.artifacts = serde_json::from_value(json!([
        file("file_1", "html", "text/html"),
        file("file_2", "image", "image/png"),
    ]))
    .unwrap();
    earlier.progress = Progress { percent: 40, stage: "writing".into(), ..Progress::default() };
    let (opening, _) = read(&parts.open(&earlier));
    let types: Vec<_> = opening.iter().map(|part| part["type"].as_str().unwrap()).collect();
    let expected = ["start", "data-job", "text-start", "text-delta", "file", "data-progress"];
    assert_eq!(types, expected);
    assert_eq!(opening[3], json!({ "type": "text-delta", "id": "text-2", "delta": "half a sen" }));
    assert_eq!(opening[4]["url"], "/api/artifacts/file_2/content");
    // The same file again, told by the events behind the snapshot, is one file.
    let again = frames(&[
        (EventType::ArtifactReady, json!({ "artifact": file("file_2", "image", "image/png") })),
        content("tence"),
    ]);
    assert_eq!(
        read(&parts.page(&again)).0,
        [json!({ "type": "text-delta", "id": "text-2", "delta": "tence" }),]
    );
}

#[test]
fn a_gap_is_bridged_by_what_the_connection_has_not() {
    let job = JobId::generate();
    let mut parts = Parts::new(&job, "");
    parts.open(&snapshot(&job, 1, "größer"));
    let (bridge, _) = read(&parts.catch_up(&snapshot(&job, 1, "größer als das Meer")));
    assert_eq!(bridge, [json!({ "type": "text-delta", "id": "text-1", "delta": " als das Meer" })]);
}

#[test]
fn text_of_an_earlier_attempt_ends_the_connection_and_not_the_message() {
    let job = JobId::generate();
    let expected = ["text-end", "error", "finish"];
    let mut parts = Parts::new(&job, "");
    parts.open(&snapshot(&job, 1, "half a sen"));
    let page = parts.page(&frames(&[status(2), content("a sentence")]));
    assert_eq!((types(&page), read(&page).1), (expected.map(str::to_owned).into(), true));
    assert!(read(&page).0[1]["errorText"].as_str().unwrap().ends_with("resume the stream"));
    assert!(parts.is_over() && !parts.has_told_end());
    let mut parts = Parts::new(&job, "");
    parts.open(&snapshot(&job, 1, "half a sen"));
    assert_eq!(types(&parts.catch_up(&snapshot(&job, 2, "a sentence"))), expected);
    // Where nothing was said yet there is nothing to take back.
    let mut parts = Parts::new(&job, "");
    parts.open(&snapshot(&job, 1, ""));
    let page = parts.page(&frames(&[status(2), content("a sentence")]));
    assert_eq!(types(&page), ["data-job", "text-start", "text-delta"]);
    assert_eq!(read(&page).0[1]["id"], "text-2");
}

#[test]
fn a_job_that_waits_to_be_run_again_has_no_text() {
    let job = JobId::generate();
    let mut parts = Parts::new(&job, "");
    let mut waiting = snapshot(&job, 1, "half a sen");
    waiting.status = Status::Pending;
    assert_eq!(types(&parts.open(&waiting)), ["start", "data-job"]);
    let page = parts.page(&frames(&[status(2), content("a sentence")]));
    assert_eq!(types(&page), ["data-job", "text-start", "text-delta"]);
}

#[test]
fn every_end_has_a_terminal_part() {
    let job = JobId::generate();
    let failed = json!({ "code": "busy", "message": "the provider is busy", "retryable": true });
    for (event, expected, reason) in [
        ((EventType::Completed, json!({})), vec!["text-end", "finish"], "stop"),
        ((EventType::Failed, failed), vec!["text-end", "error", "finish"], "error"),
        ((EventType::Failed, json!({})), vec!["text-end", "error", "finish"], "error"),
        (
            (EventType::Canceled, json!({ "reason": "enough" })),
            vec!["text-end", "abort", "finish"],
            "other",
        ),
    ] {
        let mut parts = Parts::new(&job, "");
        parts.open(&snapshot(&job, 1, "text"));
        let page = parts.page(&frames(&[event]));
        let (told, is_done) = read(&page);
        assert_eq!(types(&page), expected);
        assert!(is_done && parts.has_told_end());
        assert_eq!(told.last().unwrap()["finishReason"], reason);
    }
    let mut parts = Parts::new(&job, "");
    parts.open(&snapshot(&job, 0, ""));
    let broken = parts.break_off("the server is going down").unwrap();
    assert_eq!((types(&broken), read(&broken).1), (vec!["error".into(), "finish".into()], true));
    assert!(!parts.has_told_end());
}

#[test]
fn no_text_breaks_a_frame() {
    let job = JobId::generate();
    let mut parts = Parts::new(&job, "");
    let text = "a\n\ndata: [DONE]\r\n\u{2028}b";
    let (told, is_done) = read(&parts.open(&snapshot(&job, 1, text)));
    assert_eq!((&told[3]["delta"], is_done), (&json!(text), false));
}
