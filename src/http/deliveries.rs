//! Webhooks on the wire: what receivers are told, which deliveries there are, and beginning one
//! anew.

use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::db::artifacts::ArtifactRow;
use crate::db::webhooks::{Delivery, Filter, Status};
use crate::job::{Job, JobId};
use crate::outward::shown;
use crate::webhook;

use super::guard::{May, Read, Submit};
use super::query::Query;
use super::segment::Segment;
use super::{Code, Problem, openapi, time, view};

/// What a receiver is told of the end of a job.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// What clients reach this server by, without a slash at the end; links are relative without.
    pub public_url: Option<String>,
}

impl webhook::Words for Words {
    fn message(&self, job: &Job, files: &[ArtifactRow], at: i64) -> Value {
        let base = self.public_url.as_deref().unwrap_or_default();
        json!({
            "type": format!("job.{}", job.status),
            "timestamp": time::rfc3339(at),
            "data": view::ended(base, job, files, at),
        })
    }
}

/// `GET /api/deliveries`: deliveries that fit a filter, newest first, in pages.
///
/// # Errors
/// [`Code::InvalidParameter`].
#[utoipa::path(
    get, path = "/api/deliveries", operation_id = "list_deliveries", tag = "webhooks",
    security(("key" = ["read"])),
    params(openapi::parameters::Deliveries),
    responses((
        status = 200, description = "A page of deliveries", body = openapi::answers::DeliveryPage,
    )),
    extensions(("x-problems" = json!([Code::Unavailable]))),
)]
pub(super) async fn list(
    May { call, .. }: May<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query =
        Query::parse(query.as_deref(), &["job", "status", "project_id", "limit", "before"])?;
    let limit = query.number("limit", 1..=200, 50)?;
    let before = query.number("before", 1..=i64::MAX.cast_unsigned(), i64::MAX.cast_unsigned())?;
    let statuses = Status::ALL.map(Status::as_str).join(", ");
    let filter = Filter {
        project_id: call.caller().project_of(query.get("project_id"))?,
        job: query.read::<JobId>("job", "the id of a job")?,
        status: query.read("status", &format!("one of {statuses}"))?,
        before: i64::try_from(before).ok(),
        limit: u32::try_from(limit).unwrap_or(200),
    };
    let deliveries = call.store.db().webhooks(&filter).await?;
    let is_full = deliveries.len() as u64 == limit;
    let next = deliveries.last().map(|delivery| delivery.id).filter(|_| is_full);
    let deliveries: Vec<_> = deliveries.iter().map(shape).collect();
    Ok(axum::Json(json!({ "deliveries": deliveries, "next": next })).into_response())
}

/// `POST /api/deliveries/{id}/replay`: begins a delivery anew, however it stands.
///
/// # Errors
/// [`Code::UnknownDelivery`], [`Code::NoWebhooks`], [`Code::Unavailable`].
#[utoipa::path(
    post, path = "/api/deliveries/{id}/replay", operation_id = "replay_delivery", tag = "webhooks",
    security(("key" = ["submit"])),
    params(("id" = String, Path, description = "The delivery's id")),
    responses((status = 200, description = "It begins anew", body = openapi::answers::Delivery)),
    extensions(("x-problems" = json!([
        Code::UnknownDelivery, Code::NoWebhooks, Code::Unavailable,
    ]))),
)]
pub(super) async fn replay(
    May { call, .. }: May<Submit>,
    Segment(id): Segment,
) -> Result<Response, Problem> {
    let unknown = || Problem::new(Code::UnknownDelivery, "there is no delivery of this id");
    let id: i64 = id.parse().map_err(|_| unknown())?;
    let webhooks = call.webhooks.as_ref().ok_or_else(|| {
        let detail = "this server has no TAILWATER_WEBHOOK_SECRET to sign webhooks with";
        Problem::new(Code::NoWebhooks, detail)
    })?;
    let known = call.store.db().webhook(id).await?.ok_or_else(unknown)?;
    if !call.sees(&known.job).await? {
        return Err(unknown());
    }
    let delivery = webhooks.replay(id).await?.ok_or_else(unknown)?;
    Ok(axum::Json(shape(&delivery)).into_response())
}

/// A delivery as a client sees it: where it goes without the query, which may be a secret.
fn shape(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id,
        "job_id": delivery.job,
        "webhook_id": webhook::message_id(&delivery.job),
        "url": shown(delivery.url.expose_secret()),
        "status": delivery.status.as_str(),
        "attempts": delivery.attempts,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "next_at": delivery.next_at,
        "attempted_at": delivery.attempted_at,
        "created_at": delivery.created_at,
        "ended_at": delivery.ended_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::payload::End;
    use crate::job;
    use crate::webhook::Words as _;

    #[test]
    fn a_message_names_the_end_and_has_the_job_with_links_that_work_from_outside() {
        let words = Words { public_url: Some("https://t.example".into()) };
        let job = Job {
            status: job::Status::Failed,
            end: Some(End::failed("timeout", "too long", true)),
            ..Job::sample()
        };
        let message = words.message(&job, &[], 1_795_176_000_123);
        assert_eq!(message["type"], "job.failed");
        assert_eq!(message["timestamp"], "2026-11-20T12:00:00.123Z");
        let data = &message["data"];
        assert_eq!((&data["id"], &data["status"]), (&json!(job.id), &json!("failed")));
        let error = json!({ "code": "timeout", "message": "too long", "retryable": true });
        assert_eq!(data["error"], error);
        assert_eq!(data["ended_at"], 1_795_176_000_123_i64, "an end without a time has this one");
        assert_eq!(data["poll_url"], format!("https://t.example/api/jobs/{}", job.id));
        let relative = Words::default().message(&job, &[], 1);
        assert_eq!(relative["data"]["poll_url"], format!("/api/jobs/{}", job.id));
    }
}
