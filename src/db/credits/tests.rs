//! Claims about accounts over a real database, one by one; `history` has them all at once.

use serde_json::json;

use super::super::ends::Finished;
use super::super::jobs::Submitted;
use super::super::rig::{ACCOUNT, Rig, claim, submit};
use super::*;
use crate::event::payload::{Canceled, End};

fn grant_of(amount: i64, key: Option<&str>) -> Grant {
    let idempotency_key = key.map(str::to_owned);
    Grant { account: ACCOUNT.into(), amount, idempotency_key, note: None, now: 3 }
}

fn completed() -> End {
    End::Completed(json!({}))
}

#[tokio::test]
async fn an_account_begins_with_demo_credits_once() {
    let mut rig = Rig::with(100).await.restart().await;
    let open = |demo| OpenAccount { account: ACCOUNT.into(), demo, now: 9 };
    assert!(!rig.apply(open(100)).await.unwrap());
    assert!(!rig.apply(open(5000)).await.unwrap());
    let entries = rig.db.ledger(ACCOUNT, None, 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].kind, entries[0].amount, entries[0].at), (EntryKind::Grant, 100, 1));
    assert_eq!(rig.balance().await, Balance { available: 100, granted: 100, ..Balance::default() });
}

#[tokio::test]
async fn an_account_that_began_with_nothing_gets_no_demo_credits_later() {
    let mut rig = Rig::with(0).await;
    let open = OpenAccount { account: ACCOUNT.into(), demo: 100, now: 9 };
    assert!(!rig.apply(open).await.unwrap());
    assert_eq!(rig.balance().await, Balance::default());
    assert_eq!(rig.db.balance("nobody").await.unwrap(), None);
    assert_eq!(rig.db.audit("nobody").await.unwrap(), None);
}

#[tokio::test]
async fn a_completed_job_pays_its_cost_and_never_more_than_its_hold() {
    for (cost, paid) in [(None, 60), (Some(45), 45), (Some(0), 0), (Some(99), 60), (Some(-5), 0)] {
        let mut rig = Rig::with(100).await;
        let job = rig.submit(60).await;
        let held = Balance { available: 40, held: 60, granted: 100, captured: 0 };
        assert_eq!(rig.balance().await, held);
        assert!(matches!(rig.finish(&job, completed(), cost).await, Finished::Now));
        assert!(matches!(rig.finish(&job, completed(), cost).await, Finished::Before(_)));
        let left = 100 - paid;
        let paid_for = Balance { available: left, held: 0, granted: 100, captured: paid };
        assert_eq!(rig.balance().await, paid_for);
        assert_eq!(rig.entries().await, [("hold", 60, 40), ("capture", paid, left)]);
        let job = rig.db.job(&job).await.unwrap().unwrap();
        assert_eq!((job.hold, job.cost, job.model.as_deref()), (60, cost, Some("veo")));
    }
}

#[tokio::test]
async fn a_job_that_ends_otherwise_pays_nothing() {
    let ends = [
        End::failed("timeout", "too slow", true),
        End::Canceled(Canceled { reason: "no more".into() }),
    ];
    for end in ends {
        let mut rig = Rig::with(100).await;
        let job = rig.submit(60).await;
        rig.finish(&job, end, Some(45)).await;
        assert_eq!(rig.entries().await, [("hold", 60, 40), ("release", 60, 100)]);
        assert_eq!(rig.balance().await.available, 100);
        assert_eq!(rig.db.job(&job).await.unwrap().unwrap().cost, None);
    }
}

#[tokio::test]
async fn a_job_that_costs_nothing_needs_no_account() {
    let mut rig = Rig::empty().await;
    let job = rig.submit(0).await;
    rig.finish(&job, completed(), None).await;
    assert_eq!(rig.number("select count(*) from ledger").await, 0);
}

#[tokio::test]
async fn a_job_that_is_too_dear_leaves_nothing() {
    let mut rig = Rig::with(100).await;
    rig.submit(60).await;
    let refused = rig.apply(submit(41)).await.unwrap();
    assert!(matches!(refused, Submitted::Short { available: 40, needed: 41 }), "{refused:?}");
    let mut nobodys = submit(1);
    nobodys.accounts = vec!["nobody".into()];
    let refused = rig.apply(nobodys).await.unwrap();
    assert!(matches!(refused, Submitted::Short { available: 0, needed: 1 }), "{refused:?}");
    assert_eq!(rig.number("select count(*) from job").await, 1);
    assert_eq!(rig.entries().await, [("hold", 60, 40)]);
    rig.submit(40).await;
    assert_eq!(rig.balance().await.available, 0);
}

#[tokio::test]
async fn a_submit_that_comes_again_holds_once_even_when_nothing_is_left() {
    let mut rig = Rig::with(100).await;
    let with = |key: Option<&str>, duplicate: Option<&str>| {
        let mut again = submit(100);
        again.idempotency_key = key.map(str::to_owned);
        again.duplicate_key = duplicate.map(str::to_owned);
        again
    };
    assert!(matches!(rig.apply(with(Some("k"), Some("d"))).await, Ok(Submitted::New(_))));
    assert!(matches!(rig.apply(with(Some("k"), None)).await, Ok(Submitted::Repeated(_))));
    assert!(matches!(rig.apply(with(None, Some("d"))).await, Ok(Submitted::Duplicate(_))));
    assert!(matches!(rig.apply(with(None, None)).await, Ok(Submitted::Short { .. })));
    assert_eq!(rig.entries().await, [("hold", 100, 0)]);
}

#[tokio::test]
async fn a_job_that_cannot_be_read_gives_its_hold_back() {
    let mut rig = Rig::with(100).await;
    rig.submit(60).await;
    rig.outside("update job set kind = 'nobody knows'").await.unwrap();
    assert!(rig.apply(claim("fal")).await.unwrap().job().is_none());
    assert_eq!(rig.entries().await, [("hold", 60, 40), ("release", 60, 100)]);
}

#[tokio::test]
async fn a_program_that_only_knows_the_database_settles_by_ending() {
    for (sql, entry) in [
        ("update job set status = 'completed'", ("capture", 60, 40)),
        ("update job set status = 'completed', cost = 10", ("capture", 10, 90)),
        ("update job set status = 'completed', cost = 0.5", ("capture", 0, 100)),
        ("update job set status = 'completed', cost = 'free'", ("capture", 60, 40)),
        ("update job set status = 'completed', cost = -1, hold = 7", ("capture", 0, 100)),
        ("update or ignore job set status = 'completed'", ("capture", 60, 40)),
        ("update or replace job set status = 'failed', cost = 10", ("release", 60, 100)),
        ("update job set status = 'canceled'", ("release", 60, 100)),
        ("delete from job", ("release", 60, 100)),
    ] {
        let mut rig = Rig::with(100).await;
        if !rig.knows(sql) {
            continue;
        }
        rig.submit(60).await;
        assert_eq!(rig.outside(sql).await, Ok(1), "{sql}");
        for again in ["running", "completed", "failed", "pending", "completed"] {
            let or = if rig.is_postgres() { "" } else { "or replace" };
            let again = format!("update {or} job set status = '{again}', cost = 3");
            rig.outside(&again).await.unwrap();
        }
        rig.outside("delete from job").await.unwrap();
        assert_eq!(rig.entries().await, [("hold", 60, 40), entry], "{sql}");
        assert_eq!(rig.balance().await.held, 0);
    }
}

#[tokio::test]
async fn what_is_booked_stays_as_it_is() {
    let mut rig = Rig::with(100).await;
    rig.submit(60).await;
    let before = rig.db.ledger(ACCOUNT, None, 10).await.unwrap();
    let replace =
        "into ledger (id, account_id, entry, amount, at) values (1, 'default', 'grant', 5, 1)";
    for (sql, refusal) in [
        ("update ledger set amount = 1", "the ledger is append-only"),
        ("update or ignore ledger set note = 'x' where id = 1", "the ledger is append-only"),
        ("update ledger set available = null", "the ledger is append-only"),
        ("delete from ledger where id = 2", "the ledger is append-only"),
        (&format!("insert or replace {replace}"), "the ledger is append-only"),
        (&format!("insert or ignore {replace}"), "the ledger is append-only"),
        ("update account set granted = 500", "an account moves by its ledger"),
        ("update account set id = 'mine'", "an account moves by its ledger"),
        ("delete from account", "an account stays"),
        (
            "insert or replace into account (id, created_at) values ('default', 1)",
            "the account is open",
        ),
        (
            "insert into account (id, granted, created_at) values ('mine', 1, 1)",
            "an account moves by its ledger",
        ),
        (
            "insert or replace into job (id, kind) select id, kind from job",
            "credits were held for a job of this id",
        ),
    ] {
        if rig.knows(sql) {
            assert_eq!(rig.outside(sql).await, Err(refusal.into()), "{sql}");
        }
    }
    assert_eq!(rig.db.ledger(ACCOUNT, None, 10).await.unwrap(), before);
    assert_eq!(rig.balance().await, Balance { available: 40, held: 60, granted: 100, captured: 0 });
}

#[tokio::test]
async fn entries_that_do_not_add_up_are_refused_whatever_the_statement_would_rather() {
    for or in ["", "or ignore", "or replace"] {
        let mut rig = Rig::with(100).await;
        let (running, done) = (rig.submit(60).await, rig.submit(10).await);
        rig.finish(&done, completed(), Some(4)).await;
        let free = rig.submit(0).await;
        let failed = rig.submit(0).await;
        rig.finish(&failed, End::failed("x", "x", false), None).await;
        let named = [("RUNNING", running), ("DONE", done), ("FREE", free), ("FAILED", failed)];
        let entry = |values: &str| {
            let values = named
                .iter()
                .fold(values.to_owned(), |values, (name, job)| values.replace(name, job.as_str()));
            format!(
                "insert {or} into ledger (account_id, entry, amount, job_id, key, at) \
                 values ({values}, 1)"
            )
        };
        for (values, refusal) in [
            ("'nobody', 'grant', 1, null, null", "there is no such account"),
            ("'default', 'grant', 1, null, 'demo'", "the key of the grant is used"),
            (
                "'default', 'grant', 9007199254740991, null, null",
                "an account cannot be granted more",
            ),
            ("'default', 'hold', 1, 'RUNNING', null", "the job has had its hold"),
            ("'default', 'hold', 37, 'FREE', null", "the account is short of credits"),
            ("'default', 'hold', 1, 'FAILED', null", "only a job that has not ended holds credits"),
            ("'default', 'hold', 1, 'nobody', null", "only a job that has not ended holds credits"),
            ("'default', 'capture', 1, 'RUNNING', null", "the job has not ended"),
            ("'default', 'release', 60, 'RUNNING', null", "the job has not ended"),
            ("'default', 'capture', 4, 'DONE', null", "the job is settled"),
            ("'default', 'release', 10, 'DONE', null", "the job is settled"),
            ("'default', 'capture', 0, 'FREE', null", "nothing is held for the job"),
            ("'default', 'release', 1, null, null", "nothing is held for the job"),
        ] {
            let sql = entry(values);
            if rig.knows(&sql) {
                assert_eq!(rig.outside(&sql).await, Err(refusal.into()), "{sql}");
            }
        }
        for values in [
            "'default', 'gift', 1, null, null",
            "'default', 'grant', 0, null, null",
            "'default', 'grant', -5, null, null",
            "'default', 'grant', 5, 'FREE', null",
            "'default', 'grant', 0.5, null, null",
            "'default', 'hold', 0, 'FREE', null",
            "'default', 'hold', 1, 'FREE', 'key'",
        ] {
            // A constraint's refusal; `or ignore` makes it a row that was not written.
            let sql = entry(values);
            let took = rig.knows(&sql) && !matches!(rig.outside(&sql).await, Err(_) | Ok(0));
            assert!(!took, "{sql}");
        }
        assert_eq!(rig.entries().await, [("hold", 60, 40), ("hold", 10, 30), ("capture", 4, 36)]);
        assert_eq!(rig.balance().await.available, 36);
    }
}

#[tokio::test]
async fn a_grant_with_a_key_is_given_once() {
    let mut rig = Rig::with(100).await;
    let Granted::New(first) = rig.apply(grant_of(50, Some("k"))).await.unwrap() else { panic!() };
    assert_eq!((first.amount, first.available, first.at), (50, 150, 3));
    let again = rig.apply(grant_of(50, Some("k"))).await.unwrap();
    assert_eq!(again, Granted::Repeated(first));
    assert_eq!(rig.apply(grant_of(51, Some("k"))).await.unwrap(), Granted::KeyReused);
    let mut noted = grant_of(50, Some("k"));
    noted.note = Some("another".into());
    assert_eq!(rig.apply(noted).await.unwrap(), Granted::KeyReused);
    // The key that a new account's own grant has is not a client's.
    for key in [None, None, Some("demo")] {
        assert!(matches!(rig.apply(grant_of(50, key)).await, Ok(Granted::New(_))));
    }
    assert_eq!(rig.balance().await.granted, 300);
}

#[tokio::test]
async fn no_account_is_granted_more_than_can_be_counted() {
    let mut rig = Rig::with(100).await;
    let room = MOST_EVER - 100;
    let refused = rig.apply(grant_of(room + 1, None)).await.unwrap();
    assert_eq!(refused, Granted::TooMuch { room });
    assert!(matches!(rig.apply(grant_of(room, None)).await, Ok(Granted::New(_))));
    assert_eq!(rig.apply(grant_of(1, None)).await.unwrap(), Granted::TooMuch { room: 0 });
    let job = rig.submit(MOST_EVER).await;
    rig.finish(&job, completed(), Some(i64::MAX)).await;
    assert_eq!(rig.balance().await.captured, MOST_EVER);
}

#[tokio::test]
async fn a_ledger_is_read_in_pages_newest_first() {
    let mut rig = Rig::with(1).await;
    for amount in 2..=7 {
        rig.apply(grant_of(amount, None)).await.unwrap();
    }
    let mut before = None;
    let mut amounts = Vec::new();
    loop {
        let page = rig.db.ledger(ACCOUNT, before, 3).await.unwrap();
        amounts.extend(page.iter().map(|entry| entry.amount));
        let Some(last) = page.last() else { break };
        before = Some(last.id);
    }
    assert_eq!(amounts, [7, 6, 5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn an_end_finds_its_hold_without_reading_the_ledger() {
    let mut rig = Rig::with(100).await;
    for sql in [
        "select 1 from ledger where job_id = 'x' and entry = 'hold'",
        "select 1 from ledger where job_id = 'x' and entry in ('capture', 'release')",
        "select 1 from ledger where account_id = 'x' and available is null",
        "select * from ledger where account_id = 'x' and key = 'k'",
        "select * from ledger where account_id = 'x' and id < 7 order by id desc limit 3",
    ] {
        let Some(plan) = rig.plan(sql).await else { return };
        assert!(plan.starts_with("SEARCH") && plan.contains("INDEX ledger_"), "{plan}");
        assert!(!plan.contains("B-TREE"), "{plan}");
    }
}
