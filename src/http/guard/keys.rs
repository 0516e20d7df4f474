//! `/api/keys`: keys, for who may do everything.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::access::{AccessError, Scope, Scopes, Secret};
use crate::credits;
use crate::db::credits::OpenAccount;
use crate::db::keys::{KeyRow, Revoked};
use crate::event::now_ms;
use crate::http::envelope::Reader;
use crate::http::problem::quoted;
use crate::http::segment::Segment;
use crate::http::{Code, Problem, body, openapi};
use crate::job::KeyId;

use super::{Admin, Call, May};

/// The fields of a key.
const FIELDS: [&str; 4] = ["name", "scopes", "project_id", "expires_in_days"];

/// What a key's name may be.
pub const NAME_RULE: &str = "must be a text of at most 100 characters on one line";

/// How many days a key may last that ends by itself: ten years.
const DAYS: std::ops::RangeInclusive<i64> = 1..=3650;

const DAY: i64 = 86_400_000;

/// `GET /api/keys`: every key, oldest first; of none its secret.
///
/// # Errors
/// [`Code::Unavailable`].
#[utoipa::path(
    get, path = "/api/keys", operation_id = "list_keys", tag = "access",
    security(("key" = ["admin"])),
    responses((status = 200, description = "The keys", body = openapi::answers::KeyList)),
    extensions(("x-problems" = json!([Code::Unavailable]))),
)]
pub(in crate::http) async fn list(May { call, .. }: May<Admin>) -> Result<Response, Problem> {
    only_whole_server(&call)?;
    let rows = call.store.db().keys().await?;
    let keys: Vec<_> = rows.iter().filter(|row| row.parent_id.is_none()).map(view).collect();
    Ok(axum::Json(json!({ "keys": keys })).into_response())
}

/// `POST /api/keys`: a new key; its secret is in this answer and nowhere else.
///
/// # Errors
/// [`Code::InvalidField`], [`Code::Unavailable`].
#[utoipa::path(
    post, path = "/api/keys", operation_id = "create_key", tag = "access",
    security(("key" = ["admin"])),
    request_body = openapi::bodies::NewKey,
    responses(
        (status = 201, description = "The key, with its secret", body = openapi::answers::Key),
    ),
    extensions(("x-problems" = json!([
        Code::InvalidJson, Code::UnsupportedMediaType, Code::InvalidField, Code::Unavailable,
    ]))),
)]
pub(in crate::http) async fn create(
    May { call, .. }: May<Admin>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    only_whole_server(&call)?;
    let value = body::json(&headers, body, call.options.body_limit).await?;
    let Value::Object(fields) = &value else {
        let problem = Problem::new(Code::InvalidField, "a key is made by a JSON object");
        return Err(problem.field("", "must be an object with 'scopes'"));
    };
    let secret = Secret::generate();
    let row = row(fields, &secret)?;
    if let Some(project) = &row.project_id {
        let account = credits::own_account(project);
        call.store.journal().change(OpenAccount { account, demo: 0, now: now_ms() }).await?;
    }
    let mut view = view(&row);
    call.access.add(row).await?;
    view["key"] = secret.reveal().into();
    Ok((StatusCode::CREATED, axum::Json(view)).into_response())
}

/// `DELETE /api/keys/{id}`: nobody uses the key once this is answered.
///
/// # Errors
/// [`Code::UnknownKey`], [`Code::Unavailable`].
#[utoipa::path(
    delete, path = "/api/keys/{id}", operation_id = "revoke_key", tag = "access",
    security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The key")),
    responses(
        (status = 200, description = "It opens nothing any more", body = openapi::answers::Revoked),
    ),
    extensions(("x-problems" = json!([Code::UnknownKey, Code::Unavailable]))),
)]
pub(in crate::http) async fn revoke(
    May { call, .. }: May<Admin>,
    Segment(text): Segment,
) -> Result<Response, Problem> {
    only_whole_server(&call)?;
    let unknown = || Problem::new(Code::UnknownKey, format!("there is no key {}", quoted(&text)));
    let id: KeyId = text.parse().map_err(|_| unknown())?;
    match call.access.revoke(&id).await? {
        Revoked::Unknown => Err(unknown()),
        Revoked::Now | Revoked::Before => {
            Ok(axum::Json(json!({ "id": id, "revoked": true })).into_response())
        }
    }
}

/// Keys are the whole server's.
fn only_whole_server(call: &Call) -> Result<(), Problem> {
    if call.caller().project().is_none() {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden, "a key of one project does not manage keys"))
}

fn row(fields: &Map<String, Value>, secret: &Secret) -> Result<KeyRow, Problem> {
    let problem = Problem::new(Code::InvalidField, "the key cannot be made like this");
    let mut reader = Reader { fields, problem, only: None };
    let scopes = scopes(&mut reader);
    let project_id =
        fields.get("project_id").filter(|value| !value.is_null()).map(|_| reader.project());
    let name = name(&mut reader);
    let days = days(&mut reader);
    if project_id.is_some() && scopes.iter().any(|scope| scope == Scope::Admin) {
        reader.fail("scopes", "'admin' is for the whole server: leave out 'project_id'");
    }
    reader.refuse_unknown(&FIELDS);
    if !reader.problem.errors().is_empty() {
        return Err(reader.problem);
    }
    let now = now_ms();
    Ok(KeyRow {
        name,
        project_id,
        expires_at: days.map(|days| now + days * DAY),
        ..KeyRow::new(&secret.hash(), scopes.to_string(), now)
    })
}

fn scopes(reader: &mut Reader<'_>) -> Scopes {
    let words = match reader.fields.get("scopes") {
        Some(Value::Array(words)) if !words.is_empty() => words,
        _ => {
            reader.fail("scopes", "must be a list of submit, read, publish, admin");
            return Scopes::default();
        }
    };
    let read = words.iter().map(|word| word.as_str().unwrap_or_default().parse::<Scope>());
    read.collect::<Result<Scopes, _>>().unwrap_or_else(|error| {
        reader.fail("scopes", error.to_string());
        Scopes::default()
    })
}

fn name(reader: &mut Reader<'_>) -> String {
    let name = match reader.fields.get("name") {
        None | Some(Value::Null) => return String::new(),
        Some(value) => value.as_str().unwrap_or("\0"),
    };
    if !is_name(name) {
        reader.fail("name", NAME_RULE);
    }
    name.to_owned()
}

fn days(reader: &mut Reader<'_>) -> Option<i64> {
    let value = reader.fields.get("expires_in_days").filter(|value| !value.is_null())?;
    let days = value.as_i64().filter(|days| DAYS.contains(days));
    if days.is_none() {
        let (least, most) = (DAYS.start(), DAYS.end());
        reader.fail("expires_in_days", format!("must be a whole number from {least} to {most}"));
    }
    days
}

/// Whether a text can be a key's name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.chars().count() <= 100 && !name.chars().any(char::is_control)
}

/// A key as an operator sees it.
#[must_use]
pub fn view(row: &KeyRow) -> Value {
    let scopes: Vec<_> = row.scopes.split(' ').collect();
    json!({
        "id": row.id,
        "name": row.name,
        "scopes": scopes,
        "project_id": row.project_id,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at,
    })
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Journal(error) => error.into(),
            AccessError::Db(error) => error.into(),
        }
    }
}
