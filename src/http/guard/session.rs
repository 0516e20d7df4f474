//! `/api/session`: a browser's session, which a person opens with a key.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::access::{Key, Scope, Secret, Subject};
use crate::db::keys::KeyRow;
use crate::event::now_ms;
use crate::http::peer::Client;
use crate::http::{App, Code, Problem, body, openapi};

use super::{Call, Caller, presented};

/// How long a session lasts, in milliseconds: a day's work.
const LIFE: i64 = 12 * 3_600_000;

/// `GET /api/session`: who the caller is, and what it may.
#[utoipa::path(
    get, path = "/api/session", operation_id = "show_session", tag = "access",
    security(("key" = [])),
    responses((status = 200, description = "The caller", body = openapi::answers::Session)),
)]
pub(in crate::http) async fn show(call: Call) -> Response {
    axum::Json(view(call.caller())).into_response()
}

fn view(caller: &Caller) -> Value {
    let mut view = match caller {
        Caller::Anyone => return json!({ "kind": "open", "scopes": ["admin"] }),
        Caller::Key(key) => of_key(key),
        Caller::Ticket(pass) => json!({
            "kind": "ticket",
            "scopes": [Scope::Read.as_str()],
            "job_id": match &pass.ticket.subject {
                Subject::Job(id) => Some(id.as_str()),
                Subject::Project(_) => None,
            },
        }),
    };
    view["project_id"] = json!(caller.project());
    view["expires_at"] = json!(caller.expires_at());
    view
}

fn of_key(key: &Key) -> Value {
    let kind = if key.parent.is_some() { "session" } else { "key" };
    let scopes: Vec<_> = key.scopes.iter().map(Scope::as_str).collect();
    json!({ "kind": kind, "id": key.id, "scopes": scopes })
}

/// `POST /api/session`: opens a session with `{"key": "tw_…"}` and sets its cookie.
///
/// # Errors
/// [`Code::Unauthorized`] when it is no key, [`Code::Unavailable`].
#[utoipa::path(
    post, path = "/api/session", operation_id = "open_session", tag = "access",
    request_body = openapi::bodies::OpenSession,
    responses(
        (
            status = 201, description = "It is open; its cookie is in Set-Cookie",
            body = openapi::answers::Session,
        ),
    ),
    extensions(("x-problems" = json!([
        Code::InvalidJson, Code::UnsupportedMediaType, Code::InvalidField, Code::Unauthorized,
        Code::Unavailable,
    ]))),
)]
pub(in crate::http) async fn open(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let value = body::json(&headers, body, app.options.body_limit).await?;
    let Some(secret) = value["key"].as_str() else {
        let problem = Problem::new(Code::InvalidField, "a session is opened with a key");
        return Err(problem.field("/key", "must be a key, a text that begins with tw_"));
    };
    let now = now_ms();
    let key = app.access.key(secret.trim(), now).filter(|key| key.parent.is_none());
    let key = key.ok_or_else(|| Problem::new(Code::Unauthorized, "the key is not valid"))?;
    if let Some(who) = Caller::Key(Arc::clone(&key)).who() {
        app.limits.request(&who)?;
    }
    let fresh = Secret::generate();
    let row = KeyRow {
        name: "session".into(),
        project_id: key.project.clone(),
        parent_id: Some(key.id.clone()),
        expires_at: Some(key.expires_at.map_or(now + LIFE, |end| end.min(now + LIFE))),
        ..KeyRow::new(&fresh.hash(), key.scopes.to_string(), now)
    };
    app.access.add(row).await?;
    let session = app.access.key(fresh.reveal(), now);
    let session = session.ok_or_else(|| Problem::new(Code::Unauthorized, "the key was revoked"))?;
    let view = view(&Caller::Key(session));
    let cookie = cookie(&app, client, fresh.reveal(), LIFE / 1000);
    Ok((StatusCode::CREATED, [(SET_COOKIE, cookie)], axum::Json(view)).into_response())
}

/// `DELETE /api/session`: ends the browser's session; ending none is no error.
///
/// # Errors
/// [`Code::Unavailable`].
#[utoipa::path(
    delete, path = "/api/session", operation_id = "close_session", tag = "access",
    responses((status = 204, description = "There is no session any more")),
    extensions(("x-problems" = json!([Code::Unavailable]))),
)]
pub(in crate::http) async fn close(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let secret = presented::session(&headers, presented::is_by_tls(&app.options, client));
    let session = secret.and_then(|secret| app.access.key(secret, now_ms()));
    if let Some(session) = session.filter(|key| key.parent.is_some()) {
        app.access.revoke(&session.id).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie(&app, client, "", 0))]).into_response())
}

/// The session's cookie: not for scripts, not for requests that other sites' pages make, and by TLS
/// alone where clients come by TLS.
fn cookie(app: &App, client: Client, secret: &str, seconds: i64) -> HeaderValue {
    let is_by_tls = presented::is_by_tls(&app.options, client);
    let name = presented::cookie_name(is_by_tls);
    let secure = if is_by_tls { "; Secure" } else { "" };
    let text =
        format!("{name}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::from_str(&text).expect("a secret is visible ASCII");
    value.set_sensitive(true);
    value
}
