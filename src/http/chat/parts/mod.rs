//! A job's events as the parts of a UI message, one message a job.
//!
//! Only parts that every version of the AI SDK from 5 on knows: an unknown one would put the chat
//! into its error state. A client takes a stream that just ends for a success, so that each one here
//! ends with a terminal part, whatever happened.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::event::parse::{Item, Message, Parser};
use crate::event::payload::{
    Artifact, ArtifactReady, Canceled, Content, Failed, Progress, Status as StatusPayload,
};
use crate::job::{JobId, Status};
use crate::store::Snapshot;

/// What follows the last part.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// The part that tells how far the job is: the same one each time, so that it is updated in place.
const PROGRESS_ID: &str = "progress";

/// Writes the parts of one connection.
#[derive(Debug)]
pub(super) struct Parts {
    job: JobId,
    /// What stands in front of links.
    base: String,
    /// The run whose text this connection has.
    attempt: u32,
    /// How many Unicode scalar values of that text it has.
    told: u64,
    /// Whether its text part is open.
    is_open: bool,
    /// The files that it has.
    files: Vec<String>,
    end: Option<End>,
    out: Vec<u8>,
}

/// What was said at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// How the job ended.
    Told,
    /// That the stream is to be resumed.
    Broken,
}

impl Parts {
    pub(super) fn new(job: &JobId, base: &str) -> Self {
        Self {
            job: job.clone(),
            base: base.to_owned(),
            attempt: 0,
            told: 0,
            is_open: false,
            files: Vec::new(),
            end: None,
            out: Vec::new(),
        }
    }

    /// Whether the last part was written.
    pub(super) const fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the last part said how the job ended.
    pub(super) fn has_told_end(&self) -> bool {
        self.end == Some(End::Told)
    }

    /// The beginning: the message, and everything that it has so far in as few parts as there can
    /// be. The id comes first, and always the same: by it a client knows the message that it has.
    pub(super) fn open(&mut self, snapshot: &Snapshot) -> Bytes {
        self.write(&json!({ "type": "start", "messageId": self.job }));
        if !snapshot.status.is_terminal() {
            self.status(snapshot.status.as_str(), snapshot.attempt);
        }
        self.catch_up(snapshot)
    }

    /// What a snapshot has that the connection has not. While the job waits for another run it has
    /// no text: that of the run before will not stay.
    pub(super) fn catch_up(&mut self, snapshot: &Snapshot) -> Bytes {
        if self.begin_attempt(snapshot.attempt) {
            if snapshot.status != Status::Pending {
                self.text_of(snapshot);
            }
            for file in &snapshot.artifacts {
                self.file(file);
            }
            if !snapshot.progress.stage.is_empty() {
                self.progress(&snapshot.progress);
            }
        }
        self.take()
    }

    /// The parts of a run of events, which are whole frames.
    pub(super) fn page(&mut self, frames: &[u8]) -> Bytes {
        let mut parser = Parser::new(frames.len());
        parser.push(frames);
        while let Some(Ok(item)) = parser.poll() {
            if let Item::Message(message) = item
                && !self.is_over()
            {
                self.event(&message);
            }
        }
        self.take()
    }

    /// Where a job waits in the queue: not kept in the message.
    pub(super) fn place(position: u32) -> Bytes {
        let data = json!({ "status": "pending", "position": position });
        encoded(&json!({ "type": "data-job", "data": data, "transient": true })).into()
    }

    /// Ends a stream whose job goes on; nothing when it is over.
    pub(super) fn break_off(&mut self, why: &str) -> Option<Bytes> {
        if self.is_over() {
            return None;
        }
        self.fail(&format!("{why}; resume the stream"));
        self.finish("error", &json!({ "jobId": self.job }), End::Broken);
        Some(self.take())
    }

    fn text_of(&mut self, snapshot: &Snapshot) {
        let known = self.told.saturating_sub(snapshot.text_offset);
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        let text = &snapshot.text;
        let start = text.char_indices().nth(known).map_or(text.len(), |(at, _)| at);
        self.told = self.told.max(snapshot.text_offset);
        self.text(&text[start..]);
    }

    fn event(&mut self, message: &Message) {
        let data = message.data.as_str();
        match message.event.as_str() {
            "status" => {
                if let Ok(StatusPayload { status, attempt }) = serde_json::from_str(data)
                    && self.begin_attempt(attempt)
                {
                    self.status(&status, attempt);
                }
            }
            "content" => {
                if let Ok(Content { text, .. }) = serde_json::from_str(data) {
                    self.text(&text);
                }
            }
            "progress" => {
                if let Ok(progress) = serde_json::from_str(data) {
                    self.progress(&progress);
                }
            }
            "artifact_ready" => {
                if let Ok(ArtifactReady { artifact }) = serde_json::from_str(data) {
                    self.file(&artifact);
                }
            }
            "completed" => self.say_completed(&serde_json::from_str(data).unwrap_or_default()),
            "failed" => self.say_failed(serde_json::from_str(data).ok()),
            "canceled" => self.say_canceled(serde_json::from_str(data).ok()),
            // A narration's file is told by its `artifact_ready`.
            _ => {}
        }
    }

    /// Goes on with this run of the job. Text of an earlier one cannot be taken back, so the
    /// connection ends: the next one begins the message anew, under the same id.
    fn begin_attempt(&mut self, attempt: u32) -> bool {
        if attempt > self.attempt && self.told > 0 {
            self.fail("the job was taken up again; resume the stream");
            self.finish("error", &json!({ "jobId": self.job }), End::Broken);
            return false;
        }
        self.attempt = self.attempt.max(attempt);
        true
    }

    fn status(&mut self, status: &str, attempt: u32) {
        let data = json!({ "status": status, "attempt": attempt });
        self.write(&json!({ "type": "data-job", "data": data, "transient": true }));
    }

    fn progress(&mut self, progress: &Progress) {
        self.write(&json!({ "type": "data-progress", "id": PROGRESS_ID, "data": progress }));
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.is_open {
            self.is_open = true;
            self.write(&json!({ "type": "text-start", "id": self.text_id() }));
        }
        self.told += text.chars().count() as u64;
        self.write(&json!({ "type": "text-delta", "id": self.text_id(), "delta": text }));
    }

    fn text_id(&self) -> String {
        format!("text-{}", self.attempt)
    }

    /// A file of the message. Its text has no file: it is the message.
    fn file(&mut self, artifact: &Artifact) {
        let is_text = matches!(artifact.kind.as_str(), "markdown" | "html");
        if is_text || self.files.contains(&artifact.id) {
            return;
        }
        self.files.push(artifact.id.clone());
        let url = match artifact.url.strip_prefix('/') {
            Some(path) => format!("{}/{path}", self.base),
            None => artifact.url.clone(),
        };
        self.write(&json!({ "type": "file", "url": url, "mediaType": artifact.media_type }));
    }

    fn say_completed(&mut self, result: &Value) {
        let metadata = json!({ "jobId": self.job, "status": "completed", "result": result });
        self.end_text();
        self.finish("stop", &metadata, End::Told);
    }

    fn say_failed(&mut self, failed: Option<Failed>) {
        let mut metadata = json!({ "jobId": self.job, "status": "failed" });
        let message = match failed {
            Some(failed) => {
                metadata["code"] = failed.code.into();
                metadata["retryable"] = failed.retryable.into();
                failed.message
            }
            None => "the job failed".into(),
        };
        self.fail(&message);
        self.finish("error", &metadata, End::Told);
    }

    fn say_canceled(&mut self, canceled: Option<Canceled>) {
        let reason = canceled.map_or_else(|| "canceled".to_owned(), |canceled| canceled.reason);
        self.end_text();
        self.write(&json!({ "type": "abort", "reason": reason }));
        let metadata = json!({ "jobId": self.job, "status": "canceled", "reason": reason });
        self.finish("other", &metadata, End::Told);
    }

    fn fail(&mut self, text: &str) {
        self.end_text();
        self.write(&json!({ "type": "error", "errorText": text }));
    }

    fn end_text(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.write(&json!({ "type": "text-end", "id": self.text_id() }));
        }
    }

    fn finish(&mut self, reason: &str, metadata: &Value, end: End) {
        self.write(&json!({
            "type": "finish", "finishReason": reason, "messageMetadata": metadata,
        }));
        self.out.extend_from_slice(DONE);
        self.end = Some(end);
    }

    fn write(&mut self, part: &Value) {
        self.out.extend_from_slice(&encoded(part));
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.out).into()
    }
}

/// One part as an event: JSON has its line ends escaped, so that no text can break a frame.
fn encoded(part: &Value) -> Vec<u8> {
    format!("data: {part}\n\n").into_bytes()
}

#[cfg(test)]
mod tests;
