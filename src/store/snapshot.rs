//! A job as it stands after a given event.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::db::DbError;
use crate::event::payload::{Artifact, Content, Progress, Status as StatusPayload};
use crate::event::{Event, EventId};
use crate::job::state::Text;
use crate::job::{JobId, Kind, Status};

use super::{Log, Store};

/// How many events one step of reading text back takes.
const STEP: usize = 4096;

/// Everything that a reader needs to go on from `id` without the events before it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Snapshot {
    /// The last event folded into it; a terminal event is not, so that it is still delivered.
    #[serde(skip)]
    pub id: EventId,
    /// The job.
    #[schema(value_type = String)]
    pub job: JobId,
    /// What it makes.
    pub kind: Kind,
    /// Where it is in its life.
    pub status: Status,
    /// Which run is current.
    pub attempt: u32,
    /// How far it is.
    pub progress: Progress,
    /// The text of the current attempt so far.
    pub text: String,
    /// How many Unicode scalar values stand before `text`: 0 unless the text is past 1 MiB.
    pub text_offset: u64,
    /// The files so far.
    pub artifacts: Vec<Artifact>,
}

impl Store {
    /// A job as it stands now.
    ///
    /// # Errors
    /// When its text must be read back from the database and that does not answer.
    pub async fn snapshot(&self, log: &Arc<Log>) -> Result<Snapshot, DbError> {
        loop {
            if let Some(snapshot) = log.snapshot() {
                return Ok(snapshot);
            }
            self.read_text_back(log).await?;
        }
    }

    /// Folds the text of the current attempt out of the stored events, then hands it to the log if
    /// nothing was appended meanwhile.
    async fn read_text_back(&self, log: &Arc<Log>) -> Result<(), DbError> {
        let mut text = Text { offset: 0, text: String::new() };
        let mut attempt = 0;
        let mut cursor = log.trimmed_through();
        loop {
            let events = self.read(log, cursor, log.last(), STEP).await?;
            if let Some(last) = events.last() {
                cursor = last.id;
                events.iter().for_each(|event| fold(&mut text, &mut attempt, event));
                continue;
            }
            let mut inner = log.lock();
            if cursor >= log.last() || cursor == log.trimmed_through() {
                inner.state.text.get_or_insert(text);
                return Ok(());
            }
            drop(inner);
            // Stored events are missing in the middle: what was found is all there is.
            if self.read(log, cursor, log.last(), 1).await?.is_empty() {
                log.lock().state.text.get_or_insert(text);
                return Ok(());
            }
        }
    }
}

fn fold(text: &mut Text, attempt: &mut u32, event: &Event) {
    match event.frame.name() {
        "status" => {
            if let Ok(status) = serde_json::from_slice::<StatusPayload>(event.frame.data())
                && status.attempt > *attempt
            {
                *attempt = status.attempt;
                *text = Text { offset: 0, text: String::new() };
            }
        }
        "content" => match serde_json::from_slice::<Content>(event.frame.data()) {
            Ok(content) => text.push(&content.text),
            // An external worker's content has its own form, but always a text.
            Err(_) => {
                let data = serde_json::from_slice::<Value>(event.frame.data()).unwrap_or_default();
                text.push(data["text"].as_str().unwrap_or_default());
            }
        },
        _ => {}
    }
}

impl Log {
    /// The job as it stands, or nothing when its text must be read back first.
    fn snapshot(&self) -> Option<Snapshot> {
        let inner = self.lock();
        let state = &inner.state;
        let text = state.text.as_ref()?;
        let last = self.last();
        let id = match state.end {
            Some(_) => EventId::from_u64(last.get().saturating_sub(1)).unwrap_or_default(),
            None => last,
        };
        Some(Snapshot {
            id,
            job: self.job.clone(),
            kind: self.kind,
            status: state.status,
            attempt: state.attempt,
            progress: state.progress.clone(),
            text: text.text.clone(),
            text_offset: text.offset,
            artifacts: state.artifacts.iter().map(|stored| stored.view.clone()).collect(),
        })
    }
}
