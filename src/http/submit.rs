//! `POST /api/jobs`: a job's id in milliseconds.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::job::{Kind, input};
use crate::queue::{Media, Submission, SubmitError, Task};

use super::envelope::Reader;
use super::guard::{Call, May, Submit};
use super::{Code, Problem, body, media, openapi, view};

/// The fields of a submit.
const FIELDS: [&str; 9] = [
    "kind",
    "model",
    "input",
    "project_id",
    "priority",
    "allow_duplicate",
    "retry_of",
    "silence_limit_ms",
    "webhook_url",
];

/// The longest idempotency key, in bytes.
const KEY_LIMIT: usize = 255;

/// Puts a job into the queue and answers 202 with where to watch it.
///
/// # Errors
/// Everything that is wrong with the body at once, or why no job can be taken now.
#[utoipa::path(
    post, path = "/api/jobs", operation_id = "submit_job", tag = "jobs",
    security(("key" = ["submit"])),
    params(openapi::parameters::Once),
    request_body = openapi::bodies::NewJob,
    responses(
        (status = 202, description = "The job is in the queue", body = openapi::answers::Submitted),
    ),
    extensions(("x-problems" = json!([Code::UnknownKind, openapi::problems::SUBMIT]))),
)]
pub(super) async fn submit(
    May { call, .. }: May<Submit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let value = body::json(&headers, body, call.options.body_limit).await?;
    let mut task = task(&call, &value).await?;
    task.idempotency_key = idempotency_key(&headers)?;
    let submission = call.queue.submit(task).await?;
    let model = submission.job.model.as_deref().and_then(|slug| call.makers.catalog.get(slug));
    Ok(match model {
        Some(model) => media::answer(&call, &submission, model, |_| {}),
        None => answer(&call, &submission, |_| {}),
    })
}

/// 202 with where to watch the job; `add` puts in what a route has besides.
pub(super) fn answer(
    call: &Call,
    submission: &Submission,
    add: impl FnOnce(&mut Value),
) -> Response {
    let job = &submission.job;
    let standing = call.store.find(&job.id).map(|log| log.standing());
    let status = standing.map_or(job.status, |standing| standing.status);
    let mut view = json!({ "job_id": job.id, "file_id": job.file_id, "status": status });
    if let Some(model) = &job.model {
        view["model"] = model.as_str().into();
    }
    if submission.deduplicated {
        view["deduplicated"] = true.into();
    }
    if let (Value::Object(view), Value::Object(links)) = (&mut view, view::links(call, job)) {
        view.extend(links);
    }
    add(&mut view);
    let location = view["poll_url"].as_str().and_then(|url| HeaderValue::from_str(url).ok());
    let mut response = (StatusCode::ACCEPTED, axum::Json(view)).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if submission.repeated {
        let name = header::HeaderName::from_static("idempotent-replayed");
        response.headers_mut().insert(name, HeaderValue::from_static("true"));
    }
    response
}

/// The key of a request that may be sent twice, from its header.
///
/// # Errors
/// [`Code::InvalidParameter`].
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| !text.is_empty() && text.len() <= KEY_LIMIT);
    let detail =
        format!("the header 'idempotency-key' must be 1 to {KEY_LIMIT} visible ASCII characters");
    text.map(|text| Some(text.to_owned()))
        .ok_or_else(|| Problem::new(Code::InvalidParameter, detail))
}

/// Submits what an earlier job was asked for; the headers may name a key, as those of a submit do.
///
/// # Errors
/// Whatever a submit is refused for.
pub(super) async fn again(
    call: &Call,
    headers: &HeaderMap,
    value: &Value,
) -> Result<Response, Problem> {
    let mut task = task(call, value).await?;
    task.idempotency_key = idempotency_key(headers)?;
    let submission = call.queue.submit(task).await?;
    Ok(answer(call, &submission, |_| {}))
}

async fn task(call: &Call, value: &Value) -> Result<Task, Problem> {
    let Value::Object(fields) = value else {
        let detail = "the body must be a JSON object with 'kind' and 'input'";
        return Err(Problem::new(Code::InvalidField, detail).field("", "must be an object"));
    };
    let kind = kind(fields)?;
    let problem = Problem::new(Code::InvalidField, "the job cannot be taken as it is");
    let mut reader = Reader { fields, problem, only: call.caller().project() };
    let project_id = reader.project();
    let (input, media) = asked(call, kind, &project_id, &mut reader).await?;
    let task = Task {
        kind,
        input,
        media,
        project_id,
        priority: reader.priority(),
        idempotency_key: None,
        allow_duplicate: reader.flag("allow_duplicate"),
        retry_of: reader.retry_of(),
        silence_limit_ms: reader.silence(kind),
        chat: None,
        webhook: reader.webhook(call),
    };
    reader.refuse_unknown(&FIELDS);
    if reader.problem.errors().is_empty() { Ok(task) } else { Err(reader.problem) }
}

/// What is asked for, checked by the kind or by the model: the fields `input` and, where a model
/// makes it, `model`.
///
/// # Errors
/// [`Code::UnknownModel`], [`Code::ModelRetired`], a model that is missing; the reader notes what is
/// wrong with the input.
pub(super) async fn asked(
    call: &Call,
    kind: Kind,
    project: &str,
    reader: &mut Reader<'_>,
) -> Result<(Value, Option<Media>), Problem> {
    let empty = Value::Object(Map::new());
    let input = reader.fields.get("input").filter(|input| !input.is_null()).unwrap_or(&empty);
    if kind.is_media() {
        let model = media::named(call, kind, reader.fields.get("model"), input)?;
        return match media::check(call, project, &model, input, "/input").await {
            Ok((input, media)) => Ok((input, Some(media))),
            Err(problem) if problem.code() == Code::InvalidField => {
                reader.take_over(&problem);
                Ok((Value::Null, None))
            }
            Err(problem) => Err(problem),
        };
    }
    if reader.fields.contains_key("model") {
        reader.fail("model", format!("is not a field of a job of the kind '{kind}'"));
    }
    match input::check(kind, input) {
        Ok(input) => Ok((input, None)),
        Err(errors) => {
            for error in errors {
                reader.fail_at(format!("/input{}", error.pointer), error.detail);
            }
            Ok((Value::Null, None))
        }
    }
}

fn kind(fields: &Map<String, Value>) -> Result<Kind, Problem> {
    let allowed = Kind::ALL.map(Kind::as_str).join(", ");
    match fields.get("kind") {
        Some(Value::String(word)) => word.parse().map_err(|error: crate::job::UnknownWord| {
            Problem::new(Code::UnknownKind, error.to_string()).field("/kind", error.to_string())
        }),
        other => {
            let detail = match other {
                None => format!("is required: one of {allowed}"),
                Some(_) => format!("must be one of {allowed}"),
            };
            Err(Problem::new(Code::InvalidField, format!("'kind' {detail}")).field("/kind", detail))
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Full => {
                Self::new(Code::Overloaded, "the server holds all the jobs that it can; try again")
            }
            SubmitError::Draining => {
                Self::new(Code::Draining, "the server is going down; try again")
            }
            SubmitError::Journal(error) => error.into(),
            SubmitError::ProjectFull(full) => full.into(),
            SubmitError::Short { available, needed } => {
                Self::new(Code::InsufficientCredits, error.to_string())
                    .with("balance", available)
                    .with("needed", needed)
                    .with("shortfall", needed - available)
            }
            SubmitError::KeyReused => Self::new(Code::KeyReused, error.to_string()),
            SubmitError::UnknownRetry(_) => Self::new(Code::InvalidField, error.to_string())
                .field("/retry_of", error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_short_of_credits_learns_by_how_much() {
        let problem = Problem::from(SubmitError::Short { available: 50_000, needed: 200_000 });
        let view = problem.to_json();
        assert_eq!(
            (view["status"].as_u64(), view["retryable"].as_bool()),
            (Some(402), Some(false))
        );
        assert_eq!(view["code"], "insufficient_credits");
        assert_eq!(view["detail"], "the job may cost 0.20 credits, and 0.05 are available");
        let amounts = [&view["balance"], &view["needed"], &view["shortfall"]];
        assert_eq!(amounts, [50_000, 200_000, 150_000]);
    }
}
