//! A file that an external worker uploaded and now announces as its job's.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::db::artifacts::content_url;
use crate::db::uploads::Upload;
use crate::event::payload::Artifact;
use crate::http::Problem;
use crate::http::guard::Call;
use crate::job::{ArtifactId, JobId, StoredArtifact, UploadId};
use crate::store::Log;

use super::line::field;

/// The longest `kind` of a file, in bytes.
const KIND_LIMIT: usize = 64;

/// The upload that an announced file names, if it names one.
pub(super) fn named(described: &Value) -> Option<UploadId> {
    described["id"].as_str().and_then(|id| id.parse().ok())
}

/// The upload as a file of the job: of the kind that the worker says, else of the one that it is.
///
/// # Errors
/// When there is no such upload, or the kind is none.
pub(super) async fn as_file(
    call: &Call,
    log: &Log,
    id: &UploadId,
    described: &Value,
) -> Result<StoredArtifact, Problem> {
    let upload = call.store.db().upload(id).await?;
    let upload = upload.filter(|upload| call.owns(&upload.project_id));
    let upload = upload.ok_or_else(|| field("/data/artifact/id", "names no upload"))?;
    let kind = match &described["kind"] {
        Value::Null => usual_kind(&upload.media_type),
        Value::String(kind) if (1..=KIND_LIMIT).contains(&kind.len()) => kind,
        _ => {
            let detail = format!("must be a text of 1 to {KIND_LIMIT} bytes, such as 'video'");
            return Err(field("/data/artifact/kind", detail));
        }
    };
    // A job that this event starts is in its first attempt then.
    Ok(file(&log.job, log.standing().attempt.max(1), kind.to_owned(), upload))
}

fn usual_kind(media_type: &str) -> &'static str {
    match media_type.split('/').next() {
        Some("image") => "image",
        Some("video") => "video",
        _ => "file",
    }
}

fn file(job: &JobId, attempt: u32, kind: String, upload: Upload) -> StoredArtifact {
    let id = file_id(job, &upload.id);
    StoredArtifact {
        view: Artifact {
            id: id.to_string(),
            kind,
            media_type: upload.media_type,
            url: content_url(&id),
            bytes: upload.bytes,
            duration_ms: upload.duration_ms,
            width: upload.width,
            height: upload.height,
        },
        id,
        attempt,
        name: upload.name,
        path: Some(upload.path),
        sha256: Some(upload.sha256),
        voice: None,
    }
}

/// The same for the same job and upload, so that announcing it twice is announcing it once; another
/// for another job, since a file belongs to one.
fn file_id(job: &JobId, upload: &UploadId) -> ArtifactId {
    let hash = Sha256::digest(format!("{job} {upload}"));
    let number = u128::from_be_bytes(*hash.first_chunk().expect("SHA-256 has 32 bytes"));
    format!("file_{number:032x}").parse().expect("it is 32 hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_jobs_and_the_same_each_time() {
        let (job, other) = (JobId::generate(), JobId::generate());
        let upload = UploadId::generate();
        assert_eq!(file_id(&job, &upload), file_id(&job, &upload));
        assert_ne!(file_id(&job, &upload), file_id(&other, &upload));
        assert_ne!(file_id(&job, &upload), file_id(&job, &UploadId::generate()));
    }

    #[test]
    fn only_an_id_of_an_upload_names_one() {
        let id = |id: Value| named(&serde_json::json!({ "id": id })).map(String::from);
        assert_eq!(id("upl_1".into()), Some("upl_1".into()));
        for none in [Value::Null, "file_1".into(), "upl_".into(), "upl_../x".into(), 7.into()] {
            assert_eq!(id(none.clone()), None, "{none}");
        }
        assert_eq!(named(&Value::Null), None);
    }
}
