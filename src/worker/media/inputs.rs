//! Files of ours in an input, handed on in the form that the provider takes.

use bytes::BytesMut;
use futures_util::TryStreamExt;
use serde_json::{Map, Value};

use crate::artifact::ArtifactError;
use crate::catalog::{InputType, Reference};
use crate::provider::media::InputFile;

use super::super::{Halt, retry};
use super::Work;

/// The largest file that is read into memory to be handed on, in bytes: the most that any provider
/// takes, which is Runway.
const LARGEST: u64 = 200_000_000;

impl Work<'_> {
    /// The input as the provider gets it: each address of a file of ours replaced by the file, or
    /// by where the provider keeps it now.
    ///
    /// # Errors
    /// When a file is gone, or the provider does not take it.
    pub(super) async fn hand_on_files(&self) -> Result<Map<String, Value>, Halt> {
        let mut input = self.input.clone();
        let holds_files = |kind: &InputType| matches!(kind, InputType::Uri(_) | InputType::Uris(_));
        for named in self.model.inputs.iter().filter(|input| holds_files(&input.kind)) {
            let Some(value) = input.get_mut(&named.name) else { continue };
            let mut slots = Vec::new();
            texts(value, &mut slots);
            for slot in slots {
                if let Some(handed) = self.hand_on(slot).await? {
                    *slot = handed;
                }
            }
        }
        Ok(input)
    }

    async fn hand_on(&self, text: &str) -> Result<Option<String>, Halt> {
        let Ok(reference) = Reference::parse(text) else { return Ok(None) };
        let Some(file) = self.read(&reference).await? else { return Ok(None) };
        let (service, gate) = (&self.maker.setup.service, &self.maker.gate);
        let hand_on = || async {
            gate.ready().await;
            let handed = service.hand_on(file.clone()).await;
            // That a small file goes into the request says nothing about the provider.
            if handed.is_err() {
                gate.note(&handed);
            }
            handed
        };
        retry::call(self.run, hand_on).await.map(Some)
    }

    /// A file of ours; nothing for one that is elsewhere.
    async fn read(&self, reference: &Reference) -> Result<Option<InputFile>, Halt> {
        let gone = || Halt::failed("unknown_upload", "a file of the input is gone", false);
        let db = self.run.workshop.queue.store().db();
        let (path, name, media_type, size) = match reference {
            Reference::Remote(_) | Reference::Data { .. } => return Ok(None),
            Reference::Upload(id) => {
                let row = self.run.look_up(|| db.upload(id)).await?.ok_or_else(gone)?;
                (row.path, row.name, row.media_type, row.bytes)
            }
            Reference::Artifact(id) => {
                let row = self.run.look_up(|| db.artifact(id)).await?.ok_or_else(gone)?;
                let path = row.stored.path.ok_or_else(gone)?;
                (path, row.stored.name, row.stored.view.media_type, row.stored.view.bytes)
            }
        };
        if size > LARGEST {
            let message = format!("{name} has {size} bytes; no provider takes more than {LARGEST}");
            return Err(Halt::failed("refused_input", message, false));
        }
        let failed = |error: ArtifactError| Halt::failed("storage", error.to_string(), true);
        let mut chunks = self.run.workshop.artifacts.read(&path, None).await.map_err(failed)?;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = chunks.try_next().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(InputFile { name, media_type, bytes: bytes.freeze() }))
    }
}

/// Every text in a value.
fn texts<'a>(value: &'a mut Value, found: &mut Vec<&'a mut String>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter_mut().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values_mut().for_each(|field| texts(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
