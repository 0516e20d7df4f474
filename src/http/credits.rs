//! Credits: what there is, where it went, and more of it.
//!
//! Amounts are integer micro-credits; beside each stands the same amount as a decimal text for
//! people, under the same name with `_credits`.

use std::ops::RangeInclusive;

use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::credits::{self, Micro};
use crate::db::credits::{Balance, Entry, Grant, Granted, OpenAccount};
use crate::event::now_ms;

use super::guard::{Admin, Call, May, Read};
use super::problem::quoted;
use super::query::Query;
use super::{Code, Problem, body, openapi, project, submit};

/// How much one grant may be.
const AMOUNT: RangeInclusive<i64> = 1..=credits::MOST_GRANTED;

/// The fields of a grant.
const FIELDS: [&str; 3] = ["amount", "note", "project_id"];

/// The longest note, in Unicode scalar values.
const NOTE_LIMIT: usize = 200;

/// The account that is meant: what pays for the jobs of the caller's project, or of the project that
/// is asked for; the common one without. Who sees one project alone does not see the common one, which
/// tells of the jobs of others.
async fn account(call: &Call, query: &Query) -> Result<(String, Balance), Problem> {
    let project = call.caller().project_of(query.get("project_id"))?;
    let accounts = match (project, call.caller().project()) {
        (_, Some(only)) => vec![credits::own_account(only)],
        (Some(project), None) => credits::accounts_of(&project).to_vec(),
        (None, None) => vec![credits::DEFAULT_ACCOUNT.into()],
    };
    for account in accounts {
        if let Some(balance) = call.store.db().balance(&account).await? {
            return Ok((account, balance));
        }
    }
    let detail = "the project has no account of its own, and the common one is not its to see";
    Err(Problem::new(Code::Forbidden, detail))
}

/// `GET /api/credits`: the balance of the account that pays for jobs.
///
/// # Errors
/// [`Code::Forbidden`], [`Code::Unavailable`].
#[utoipa::path(
    get, path = "/api/credits", operation_id = "show_credits", tag = "credits",
    security(("key" = ["read"])),
    params(openapi::parameters::Project),
    responses((status = 200, description = "The account", body = openapi::answers::Credits)),
    extensions(("x-problems" = json!([Code::Unavailable]))),
)]
pub(super) async fn show(
    May { call, .. }: May<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["project_id"])?;
    let (account, balance) = account(&call, &query).await?;
    let Balance { available, held, granted, captured } = balance;
    let mut view = json!({ "account": account, "currency": "credits" });
    for (name, amount) in
        [("available", available), ("held", held), ("granted", granted), ("captured", captured)]
    {
        add_amount(&mut view, name, amount);
    }
    Ok(axum::Json(view).into_response())
}

/// `GET /api/credits/ledger`: every movement of the account, newest first, in pages.
///
/// # Errors
/// [`Code::InvalidParameter`].
#[utoipa::path(
    get, path = "/api/credits/ledger", operation_id = "list_ledger", tag = "credits",
    security(("key" = ["read"])),
    params(openapi::parameters::Ledger),
    responses(
        (status = 200, description = "A page of movements", body = openapi::answers::LedgerPage),
    ),
    extensions(("x-problems" = json!([Code::Unavailable]))),
)]
pub(super) async fn ledger(
    May { call, .. }: May<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["project_id", "limit", "before"])?;
    let (account, _) = account(&call, &query).await?;
    let limit = query.number("limit", 1..=200, 50)?;
    let before = query.number("before", 1..=i64::MAX.cast_unsigned(), i64::MAX.cast_unsigned())?;
    let (before, most) = (i64::try_from(before).ok(), u32::try_from(limit).unwrap_or(200));
    let entries = call.store.db().ledger(&account, before, most).await?;
    let is_full = entries.len() as u64 == limit;
    let next = entries.last().map(|entry| entry.id).filter(|_| is_full);
    let entries: Vec<_> = entries.iter().map(view).collect();
    Ok(axum::Json(json!({ "entries": entries, "next": next })).into_response())
}

/// `POST /api/credits/grant`: gives the account credits; 201 with the entry, or 200 with the one
/// that the same idempotency key has made before.
///
/// # Errors
/// [`Code::InvalidField`], [`Code::KeyReused`], [`Code::Unavailable`].
#[utoipa::path(
    post, path = "/api/credits/grant", operation_id = "grant_credits", tag = "credits",
    security(("key" = ["admin"])),
    params(openapi::parameters::Once),
    request_body = openapi::bodies::NewGrant,
    responses(
        (status = 201, description = "They are given", body = openapi::answers::LedgerEntry),
        (
            status = 200, description = "They were given before, by the same key",
            body = openapi::answers::LedgerEntry,
        ),
    ),
    extensions(("x-problems" = json!([
        Code::InvalidJson, Code::UnsupportedMediaType, Code::InvalidField, Code::InvalidParameter,
        Code::KeyReused, Code::Unavailable,
    ]))),
)]
pub(super) async fn grant(
    May { call, .. }: May<Admin>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let value = body::json(&headers, body, call.options.body_limit).await?;
    let Wish { amount, note, project } = fields(&value)?;
    call.caller().project_of(project.as_deref())?;
    let account = match &project {
        Some(project) => open_own(&call, project).await?,
        None => credits::DEFAULT_ACCOUNT.into(),
    };
    let grant = Grant {
        account,
        amount,
        idempotency_key: submit::idempotency_key(&headers)?,
        note,
        now: now_ms(),
    };
    match call.store.journal().change(grant).await? {
        Granted::New(entry) => Ok((StatusCode::CREATED, axum::Json(view(&entry))).into_response()),
        Granted::Repeated(entry) => {
            let replayed = HeaderName::from_static("idempotent-replayed");
            let replayed = [(replayed, HeaderValue::from_static("true"))];
            Ok((replayed, axum::Json(view(&entry))).into_response())
        }
        Granted::KeyReused => {
            let detail = "the idempotency key was used for a grant of another amount or note";
            Err(Problem::new(Code::KeyReused, detail))
        }
        Granted::TooMuch { room } => {
            let detail = format!("must be at most {room}: no account can be granted more in all");
            Err(Problem::new(Code::InvalidField, "the account cannot be granted so much")
                .field("/amount", detail))
        }
    }
}

fn view(entry: &Entry) -> Value {
    let mut view = json!({
        "id": entry.id,
        "entry": entry.kind.as_str(),
        "job_id": entry.job_id,
        "note": entry.note,
        "at": entry.at,
    });
    add_amount(&mut view, "amount", entry.amount);
    add_amount(&mut view, "available_after", entry.available);
    view
}

fn add_amount(view: &mut Value, name: &str, amount: i64) {
    view[name] = amount.into();
    view[format!("{name}_credits")] = Micro::new(amount).to_string().into();
}

/// A project's own account, which pays for its jobs from now on.
async fn open_own(call: &Call, project: &str) -> Result<String, Problem> {
    let account = credits::own_account(project);
    let open = OpenAccount { account: account.clone(), demo: 0, now: now_ms() };
    call.store.journal().change(open).await?;
    Ok(account)
}

/// What a grant says.
struct Wish {
    amount: i64,
    note: Option<String>,
    /// Whose account it goes to; the common one without.
    project: Option<String>,
}

fn fields(value: &Value) -> Result<Wish, Problem> {
    let mut problem = Problem::new(Code::InvalidField, "the credits cannot be granted like this");
    let Value::Object(fields) = value else {
        return Err(problem.field("", "must be an object with 'amount' and, if wanted, 'note'"));
    };
    let (amount, note, project) = (amount(fields), note(fields), project(fields));
    for (pointer, detail) in [
        ("/amount", amount.as_ref().err()),
        ("/note", note.as_ref().err()),
        ("/project_id", project.as_ref().err()),
    ] {
        if let Some(detail) = detail {
            problem = problem.field(pointer, detail);
        }
    }
    let unknown = fields.keys().filter(|name| !FIELDS.contains(&name.as_str()));
    for name in unknown.take(16) {
        let name: String = name.chars().take(64).collect();
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        problem =
            problem.field(pointer, "is not a field of a grant; it has amount, note, project_id");
    }
    match (amount, note, project) {
        (Ok(amount), Ok(note), Ok(project)) if problem.errors().is_empty() => {
            Ok(Wish { amount, note, project })
        }
        _ => Err(problem),
    }
}

fn amount(fields: &Map<String, Value>) -> Result<i64, String> {
    let (least, most) = (AMOUNT.start(), AMOUNT.end());
    let rule =
        format!("a whole number of micro-credits from {least} to {most} (a credit has 1000000)");
    match fields.get("amount") {
        None | Some(Value::Null) => Err(format!("is required: {rule}")),
        Some(value) => {
            let amount = value.as_i64().filter(|amount| AMOUNT.contains(amount));
            amount.ok_or_else(|| format!("must be {rule}, not {}", quoted(&value.to_string())))
        }
    }
}

fn note(fields: &Map<String, Value>) -> Result<Option<String>, String> {
    match fields.get("note") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            let count = text.chars().count();
            if count > NOTE_LIMIT {
                return Err(format!("must have at most {NOTE_LIMIT} characters, not {count}"));
            }
            match text.chars().find(|one| one.is_control()) {
                Some(control) => Err(format!(
                    "must not contain the control character U+{:04X}",
                    u32::from(control)
                )),
                None => Ok(Some(text.clone())),
            }
        }
        Some(value) => Err(format!("must be a text, not {}", quoted(&value.to_string()))),
    }
}

fn project(fields: &Map<String, Value>) -> Result<Option<String>, String> {
    match fields.get("project_id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if project::is_name(name) => Ok(Some(name.clone())),
        Some(_) => Err(project::NAME_RULE.into()),
    }
}
