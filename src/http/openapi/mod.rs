//! The routes as an `OpenAPI` 3.1 document, at `/openapi.json`.
//!
//! A handler says of itself what it takes and answers, in an attribute above it; who may call it and
//! what it may be refused for are short lists there, written out here. Handlers read and write most
//! JSON by hand, to tell all mistakes at once: [`bodies`] and [`answers`] describe it. The examples are
//! the server's real answers, those that the clients are held to.

pub mod access;
pub mod answers;
pub mod bodies;
pub mod events;
pub mod examples;
pub mod parameters;
pub mod problems;
pub mod prose;

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::{Modify, OpenApi};

use super::{
    chat, credits, deliveries, events as pages, files, guard, health, ingest, jobs, media, models,
    operator, page, project, stream, streams, submit, uploads, webhooks,
};

/// The document as bytes: it is the same for every request.
static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| document().to_json().expect("the document is plain data").into());

/// The routes of `http` itself; folders that have a router of their own list theirs beside it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tailwater",
        description = "Jobs that take a while, streamed to every browser that watches. What may be \
            relied on is in PROTOCOL.md; this is its shape. A server where no key was ever made asks \
            for none.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/", description = "this server")),
    tags(
        (name = "jobs", description = "Submitting, polling, canceling, pushing events."),
        (name = "streams", description = "Server-sent events, resumable from any id."),
        (name = "files", description = "What jobs made, and what clients gave."),
        (name = "media", description = "Images, videos and lip-sync by the models of the catalog."),
        (name = "chat", description = "Jobs as UI messages of the AI SDK."),
        (name = "credits", description = "What there is, where it went, and more of it."),
        (name = "webhooks", description = "Who was told how jobs ended."),
        (name = "access", description = "Keys, sessions and tickets."),
        (name = "operator", description = "Figures, all jobs, one job's whole story."),
        (name = "server", description = "Whether the server is well, and what it is."),
    ),
    paths(
        submit::submit,
        jobs::list,
        jobs::show,
        jobs::remove,
        jobs::cancel,
        stream::job,
        pages::list,
        ingest::push,
        streams::jobs,
        streams::project,
        project::show,
        models::list,
        models::show,
        webhooks::receive,
        guard::session::show,
        guard::session::open,
        guard::session::close,
        guard::keys::list,
        guard::keys::create,
        guard::keys::revoke,
        guard::tickets::create,
        credits::show,
        credits::ledger,
        credits::grant,
        deliveries::list,
        deliveries::replay,
        health::info,
        health::alive,
        health::ready,
        show,
    ),
    components(schemas(problems::ProblemDetails)),
)]
struct Routes;

/// The whole document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Routes::openapi();
    for folder in [
        media::Routes::openapi(),
        chat::Routes::openapi(),
        operator::Routes::openapi(),
        files::Routes::openapi(),
        uploads::Routes::openapi(),
        page::Routes::openapi(),
    ] {
        document.merge(folder);
    }
    // The callers are known before it is said what they may be refused for.
    access::Callers.modify(&mut document);
    problems::Refusals.modify(&mut document);
    prose::Plain.modify(&mut document);
    examples::Golden.modify(&mut document);
    document
}

/// `GET /openapi.json`: this document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "show_openapi", tag = "server",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object))
)]
pub(super) async fn show() -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
    (headers, DOCUMENT.clone()).into_response()
}

/// The operations of a path, each with whether it may change something.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let PathItem { get, head, post, put, patch, delete, .. } = item;
    let looking = [get, head].into_iter().map(|operation| (false, operation));
    let changing = [post, put, patch, delete].into_iter().map(|operation| (true, operation));
    looking.chain(changing).filter_map(|(changes, slot)| Some((changes, slot.as_mut()?)))
}
