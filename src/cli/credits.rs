//! `tailwater credits`.

use serde_json::json;

use crate::client::{Balance, Entry, LedgerPage};
use crate::credits::Micro;
use crate::event::now_ms;

use super::args::{self, Account, Plain};
use super::{Failure, client, jobs, out};

pub(super) async fn run(args: args::Credits) -> Result<u8, Failure> {
    match args.what {
        None => show(&args.plain).await,
        Some(Account::Ledger(ledger)) => list(ledger).await,
        Some(Account::Grant(grant)) => add(grant).await,
    }
}

async fn show(plain: &Plain) -> Result<u8, Failure> {
    let balance = client(&plain.server.address)?.credits().await?;
    out::print(&if plain.json { out::json(&json!(balance)) } else { lines(&balance) }).ok();
    Ok(0)
}

async fn list(args: args::Ledger) -> Result<u8, Failure> {
    let page = client(&args.plain.server.address)?.ledger(args.limit, args.before).await?;
    if args.plain.json {
        out::print(&out::json(&json!(page))).ok();
        return Ok(0);
    }
    out::print(&table(&page, now_ms())).ok();
    match page.next {
        Some(next) => out::note(&format!("older ones: tailwater credits ledger --before {next}")),
        None if page.entries.is_empty() => out::note("no movement fits"),
        None => {}
    }
    Ok(0)
}

async fn add(args: args::Grant) -> Result<u8, Failure> {
    let client = client(&args.plain.server.address)?;
    let key = args.idempotency_key.as_deref();
    let (note, project) = (args.note.as_deref(), args.project.as_deref());
    let entry = client.grant(args.amount.get(), note, project, key).await?;
    let text = if args.plain.json {
        out::json(&json!(entry))
    } else {
        let (amount, available) = (Micro::new(entry.amount), Micro::new(entry.available_after));
        format!("{amount} credits granted; {available} are available\n")
    };
    out::print(&text).ok();
    Ok(0)
}

/// The amounts below one another, their points in a line.
fn lines(balance: &Balance) -> String {
    let amounts = [
        ("available", balance.available),
        ("held", balance.held),
        ("spent", balance.captured),
        ("granted", balance.granted),
    ];
    let amounts = amounts.map(|(name, amount)| (name, Micro::new(amount).to_string()));
    let before_point = |text: &str| text.find('.').unwrap_or(text.len());
    let width = amounts.iter().map(|(_, text)| before_point(text)).max().unwrap_or_default();
    let line = |(name, text): &(&str, String)| {
        let indent = width - before_point(text);
        format!("{name:9}  {:indent$}{text}\n", "")
    };
    amounts.iter().map(line).collect()
}

fn table(page: &LedgerPage, now_ms: i64) -> String {
    let heading = ["ID", "AGE", "ENTRY", "CREDITS", "AVAILABLE", "JOB OR NOTE"];
    let row = |entry: &Entry| {
        let about = entry.job_id.as_deref().or(entry.note.as_deref()).unwrap_or_default();
        [
            entry.id.to_string(),
            jobs::age(now_ms.saturating_sub(entry.at)),
            entry.entry.clone(),
            Micro::new(entry.amount).to_string(),
            Micro::new(entry.available_after).to_string(),
            jobs::on_one_line(about),
        ]
    };
    out::table(heading, page.entries.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_stand_below_one_another_by_their_points() {
        let balance = json!({ "available": 999_025_000, "held": 500_000, "granted": 1_000_000_000,
            "captured": 475_000 });
        assert_eq!(
            lines(&serde_json::from_value(balance).unwrap()),
            "available   999.025\n\
             held          0.50\n\
             spent         0.475\n\
             granted    1000.00\n"
        );
    }

    #[test]
    fn a_movement_is_a_line_with_its_job_or_its_note() {
        let entry = |id: i64, kind: &str, job: Option<&str>| {
            json!({
                "id": id, "entry": kind, "amount": 300_000, "available_after": 700_000, "at": 0,
                "job_id": job, "note": "to try\nthings", "amount_credits": "0.30",
            })
        };
        let entries = [entry(12, "capture", Some("job_1")), entry(1, "grant", None)];
        let page = serde_json::from_value(json!({ "entries": entries, "next": null })).unwrap();
        assert_eq!(
            table(&page, 61_000),
            "ID  AGE  ENTRY    CREDITS  AVAILABLE  JOB OR NOTE\n\
             12  1 m  capture  0.30     0.70       job_1\n\
             1   1 m  grant    0.30     0.70       to try things\n"
        );
    }
}
