//! Files in an input: those that stand in it are stored, those that are referred to must be there.

use serde_json::{Map, Value};

use crate::artifact::Family;
use crate::catalog::{Checked, FilePlace, Media, Reference};
use crate::db::artifacts::{ArtifactRow, content_url};

use super::super::guard::Call;
use super::super::{Code, Problem, files, uploads};

/// The checked input, each `data:` URL in it replaced by the address of an upload, and each address
/// of ours found to be there.
///
/// # Errors
/// [`Code::InvalidField`] with everything that is wrong.
pub(super) async fn keep_files(
    call: &Call,
    project: &str,
    checked: Checked,
    pointer: &str,
) -> Result<Map<String, Value>, Problem> {
    let mut input = Value::Object(checked.input);
    let mut problem = Problem::new(Code::InvalidField, "a file of the input cannot be used");
    for place in checked.files {
        let Some(Value::String(text)) = input.pointer_mut(&place.pointer) else { continue };
        match keep(call, project, text, &place).await {
            Ok(Some(kept)) => *text = kept,
            Ok(None) => {}
            Err(error) if error.code().entry().status.is_client_error() => {
                problem = problem.field(format!("{pointer}{}", place.pointer), error.detail());
            }
            Err(error) => return Err(error),
        }
    }
    match input {
        Value::Object(input) if problem.errors().is_empty() => Ok(input),
        _ => Err(problem),
    }
}

/// Where the file of this text is on this server; nothing for one that is elsewhere.
async fn keep(
    call: &Call,
    project: &str,
    text: &str,
    place: &FilePlace,
) -> Result<Option<String>, Problem> {
    let wrong = |detail: String| Problem::new(Code::InvalidField, detail);
    let (media_type, url) = match Reference::parse(text).map_err(wrong)? {
        Reference::Remote(_) => return Ok(None),
        Reference::Data { media_type } => {
            let media = Media::of_type(&media_type).filter(|media| place.media.contains(media));
            let family = media.and_then(|media| Family::of(media.as_str()));
            let family = family.ok_or_else(|| wrong(format!("must not be {media_type}")))?;
            let upload = uploads::store_data_url(call, project, text, family).await?;
            return Ok(Some(uploads::content_path(&upload.id)));
        }
        Reference::Upload(id) => {
            let row = call.store.db().upload(&id).await?;
            let row = row.filter(|row| call.owns(&row.project_id));
            (row.map(|row| row.media_type), uploads::content_path(&id))
        }
        Reference::Artifact(id) => {
            let mut row = files::row(call, &id).await?.filter(|row| row.ready);
            if let Some(ArtifactRow { job, .. }) = &row
                && !call.sees(job).await?
            {
                row = None;
            }
            (row.map(|row| row.stored.view.media_type), content_url(&id))
        }
    };
    let Some(media_type) = media_type else {
        return Err(wrong("names a file that is not here, or not yet".into()));
    };
    if Media::of_type(&media_type).is_none_or(|media| !place.media.contains(&media)) {
        let allowed: Vec<_> = place.media.iter().map(|media| media.as_str()).collect();
        return Err(wrong(format!("names a file of {media_type}, not {}", allowed.join(" or "))));
    }
    Ok(Some(url))
}
