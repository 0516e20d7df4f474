//! `tailwater webhooks`.

use serde_json::json;

use crate::client::{Client, Delivery, DeliveryFilter, DeliveryPage};
use crate::event::now_ms;

use super::args::{self, Outbox};
use super::{Failure, client, jobs, out, watch};

/// How many are asked for at a time.
const PAGE: u32 = 200;

/// What a delivery is called that is on its way anyway: it is begun anew only for one job.
const PENDING: &str = "pending";

/// What a delivery is called that is not tried any more.
const GIVEN_UP: &str = "given_up";

pub(super) async fn run(args: args::Webhooks) -> Result<u8, Failure> {
    match args.what {
        Outbox::List(list) => show(list).await,
        Outbox::Replay(replay) => begin_anew(replay).await,
    }
}

async fn show(args: args::ListWebhooks) -> Result<u8, Failure> {
    let filter = DeliveryFilter {
        job: args.job,
        status: args.status,
        limit: Some(args.limit),
        before: args.before,
    };
    let page = client(&args.plain.server.address)?.deliveries(&filter).await?;
    if args.plain.json {
        out::print(&out::json(&json!(page))).ok();
        return Ok(0);
    }
    out::print(&table(&page, now_ms())).ok();
    match page.next {
        Some(next) => out::note(&format!("older ones: tailwater webhooks list --before {next}")),
        None if page.deliveries.is_empty() => out::note("no delivery fits"),
        None => {}
    }
    Ok(0)
}

async fn begin_anew(args: args::ReplayWebhooks) -> Result<u8, Failure> {
    let target = args.job.as_deref().map(watch::target).transpose()?;
    let server = target.as_ref().and_then(|target| target.server());
    let client = client(server.unwrap_or(&args.server.address))?;
    let filter = DeliveryFilter {
        job: target.as_ref().map(|target| target.job().to_owned()),
        status: args.failed.then(|| GIVEN_UP.to_owned()),
        limit: Some(PAGE),
        before: None,
    };
    let since = args.since.map(|span| now_ms().saturating_sub(span));
    let mut chosen = choose(&client, filter, since).await?;
    if target.is_none() {
        chosen.retain(|delivery| delivery.status != PENDING);
    }
    for delivery in &chosen {
        client.replay(delivery.id).await?;
        out::print(&format!("{}\n", delivery.job_id)).ok();
    }
    if chosen.is_empty() {
        if target.is_some() {
            return Err(Failure { message: "nothing was told of this job".into(), code: 1 });
        }
        out::note("nothing is to be replayed");
        return Ok(0);
    }
    out::note(&format!("{} begun anew: `tailwater webhooks list` shows them", chosen.len()));
    Ok(0)
}

/// Every delivery that fits, oldest first, as the ends were. All are found before the first is begun,
/// since that changes what fits.
async fn choose(
    client: &Client,
    mut filter: DeliveryFilter,
    since: Option<i64>,
) -> Result<Vec<Delivery>, Failure> {
    let is_new = |delivery: &Delivery| since.is_none_or(|since| delivery.created_at >= since);
    let mut chosen = Vec::new();
    loop {
        let page = client.deliveries(&filter).await?;
        let count = page.deliveries.len();
        let new: Vec<_> = page.deliveries.into_iter().take_while(is_new).collect();
        let is_last = new.len() < count || page.next.is_none();
        chosen.extend(new);
        if is_last {
            break;
        }
        filter.before = page.next;
    }
    chosen.reverse();
    Ok(chosen)
}

fn table(page: &DeliveryPage, now_ms: i64) -> String {
    let heading = ["ID", "JOB", "AGE", "STATUS", "TRIES", "NEXT", "URL", "NEWEST ATTEMPT"];
    let row = |delivery: &Delivery| {
        let next = delivery.next_at.map(|at| jobs::age(at.saturating_sub(now_ms)));
        let answer = delivery.last_status.map(|status| format!("HTTP {status}"));
        let newest = delivery.last_error.clone().or(answer);
        [
            delivery.id.to_string(),
            delivery.job_id.clone(),
            jobs::age(now_ms.saturating_sub(delivery.created_at)),
            delivery.status.clone(),
            delivery.attempts.to_string(),
            next.unwrap_or_default(),
            jobs::on_one_line(&delivery.url),
            jobs::on_one_line(&newest.unwrap_or_default()),
        ]
    };
    out::table(heading, page.deliveries.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_a_line_with_what_came_of_it() {
        let delivery = |id: i64, status: &str, next_at: Option<i64>, error: Option<&str>| {
            json!({
                "id": id, "job_id": "job_1", "url": "https://a.example/hook", "status": status,
                "attempts": 2, "last_status": error.is_none().then_some(204), "last_error": error,
                "next_at": next_at, "created_at": 0,
            })
        };
        let deliveries = [
            delivery(12, "pending", Some(101_000), Some("no answer\nwithin 15 s")),
            delivery(3, "delivered", None, None),
        ];
        let page = json!({ "deliveries": deliveries, "next": null });
        assert_eq!(
            table(&serde_json::from_value(page).unwrap(), 61_000),
            "ID  JOB    AGE  STATUS     TRIES  NEXT  URL                     NEWEST ATTEMPT\n\
             12  job_1  1 m  pending    2      40 s  https://a.example/hook  no answer within 15 s\n\
             3   job_1  1 m  delivered  2            https://a.example/hook  HTTP 204\n"
        );
    }
}
