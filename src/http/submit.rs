//! `POST /api/jobs`: a job's id in milliseconds.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::job::{JobId, Kind, input};
use crate::queue::{Submission, SubmitError, Task};

use super::{App, Code, Problem, body, project, view};

/// The fields of a submit.
const FIELDS: [&str; 7] =
    ["kind", "input", "project_id", "priority", "allow_duplicate", "retry_of", "silence_limit_ms"];

/// The longest idempotency key, in bytes.
const KEY_LIMIT: usize = 255;

/// How long an external worker may be allowed to be silent, in milliseconds: a second to a day.
const SILENCE: std::ops::RangeInclusive<i64> = 1_000..=86_400_000;

/// Puts a job into the queue and answers 202 with where to watch it.
///
/// # Errors
/// Everything that is wrong with the body at once, or why no job can be taken now.
pub(super) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let value = body::json(&headers, body, app.options.body_limit).await?;
    let mut task = task(&value)?;
    task.idempotency_key = idempotency_key(&headers)?;
    let submission = app.queue.submit(task).await?;
    Ok(answer(&app, &submission))
}

fn answer(app: &App, submission: &Submission) -> Response {
    let job = &submission.job;
    let standing = app.store.find(&job.id).map(|log| log.standing());
    let status = standing.map_or(job.status, |standing| standing.status);
    let mut view = json!({ "job_id": job.id, "file_id": job.file_id, "status": status });
    if submission.deduplicated {
        view["deduplicated"] = true.into();
    }
    if let (Value::Object(view), Value::Object(links)) = (&mut view, view::links(app, job)) {
        view.extend(links);
    }
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

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| !text.is_empty() && text.len() <= KEY_LIMIT);
    let detail =
        format!("the header 'idempotency-key' must be 1 to {KEY_LIMIT} visible ASCII characters");
    text.map(|text| Some(text.to_owned()))
        .ok_or_else(|| Problem::new(Code::InvalidParameter, detail))
}

fn task(value: &Value) -> Result<Task, Problem> {
    let Value::Object(fields) = value else {
        let detail = "the body must be a JSON object with 'kind' and 'input'";
        return Err(Problem::new(Code::InvalidField, detail).field("", "must be an object"));
    };
    let mut problem = Problem::new(Code::InvalidField, "the job cannot be taken as it is");
    let kind = kind(fields)?;
    let empty = Value::Object(Map::new());
    let given = fields.get("input").filter(|input| !input.is_null());
    let input = match input::check(kind, given.unwrap_or(&empty)) {
        Ok(input) => input,
        Err(errors) => {
            for error in errors {
                problem = problem.field(format!("/input{}", error.pointer), error.detail);
            }
            Value::Null
        }
    };
    let mut reader = Reader { fields, problem };
    let task = Task {
        kind,
        input,
        project_id: reader.project(),
        priority: reader.priority(),
        idempotency_key: None,
        allow_duplicate: reader.flag("allow_duplicate"),
        retry_of: reader.retry_of(),
        silence_limit_ms: reader.silence(kind),
    };
    reader.refuse_unknown();
    if reader.problem.errors().is_empty() { Ok(task) } else { Err(reader.problem) }
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

/// Reads the fields beside the input and collects what is wrong with them.
struct Reader<'a> {
    fields: &'a Map<String, Value>,
    problem: Problem,
}

impl Reader<'_> {
    fn fail(&mut self, name: &str, detail: impl Into<String>) {
        let empty = Problem::new(Code::InvalidField, "");
        let problem = std::mem::replace(&mut self.problem, empty);
        let name: String = name.chars().take(64).collect();
        let name = name.replace('~', "~0").replace('/', "~1");
        self.problem = problem.field(format!("/{name}"), detail);
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn project(&mut self) -> String {
        let name = match self.get("project_id") {
            None => return "default".into(),
            Some(value) => value.as_str().unwrap_or_default().to_owned(),
        };
        if !project::is_name(&name) {
            self.fail("project_id", project::NAME_RULE);
        }
        name
    }

    fn priority(&mut self) -> i32 {
        let Some(value) = self.get("priority") else { return 0 };
        let number = value.as_i64().filter(|number| (-100..=100).contains(number));
        if number.is_none() {
            self.fail("priority", "must be a whole number from -100 to 100");
        }
        number.and_then(|number| i32::try_from(number).ok()).unwrap_or(0)
    }

    fn flag(&mut self, name: &str) -> bool {
        let Some(value) = self.get(name) else { return false };
        let flag = value.as_bool();
        if flag.is_none() {
            self.fail(name, "must be true or false");
        }
        flag.unwrap_or(false)
    }

    fn retry_of(&mut self) -> Option<JobId> {
        let id = self.get("retry_of")?.as_str().and_then(|text| text.parse().ok());
        if id.is_none() {
            self.fail("retry_of", "must be the id of a job");
        }
        id
    }

    fn silence(&mut self, kind: Kind) -> Option<i64> {
        let number = self.get("silence_limit_ms")?.as_i64().filter(|limit| SILENCE.contains(limit));
        if number.is_none() {
            let (least, most) = (SILENCE.start(), SILENCE.end());
            self.fail("silence_limit_ms", format!("must be a whole number from {least} to {most}"));
        } else if kind != Kind::External {
            self.fail("silence_limit_ms", "is only for jobs of the kind 'external'");
        }
        number
    }

    fn refuse_unknown(&mut self) {
        let unknown: Vec<_> =
            self.fields.keys().filter(|name| !FIELDS.contains(&name.as_str())).take(16).collect();
        for name in unknown {
            self.fail(name, format!("is not a field of a job; it has {}", FIELDS.join(", ")));
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
            SubmitError::KeyReused => Self::new(Code::KeyReused, error.to_string()),
            SubmitError::UnknownRetry(_) => Self::new(Code::InvalidField, error.to_string())
                .field("/retry_of", error.to_string()),
        }
    }
}
