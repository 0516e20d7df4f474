//! `tailwater keys`: in the data folder, whether a server has it or not.

use serde_json::{Value, json};

use crate::access::{Scope, Scopes, Secret};
use crate::config::{Flags, Settings};
use crate::db::keys::{KeyRow, Revoked};
use crate::event::now_ms;
use crate::http;
use crate::job::KeyId;
use crate::server::keys;

use super::args::{CreateKey, Keys, ListKeys, RevokeKey, WhatKeys};
use super::{Failure, jobs, out};

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

pub(super) async fn run(args: Keys) -> Result<u8, Failure> {
    match args.what {
        WhatKeys::Create(create) => make(create).await,
        WhatKeys::List(list) => show(&list).await,
        WhatKeys::Revoke(revoke) => end(&revoke).await,
    }
}

fn settings(data: Option<&String>) -> Result<Settings, Failure> {
    Ok(super::settings(&Flags::of_data(data.cloned()))?.settings)
}

async fn make(args: CreateKey) -> Result<u8, Failure> {
    check(&args)?;
    let scopes: Scopes = args.scopes.iter().copied().collect();
    let (secret, now) = (Secret::generate(), now_ms());
    let row = KeyRow {
        name: args.name,
        project_id: args.project,
        expires_at: args.expires_in.map(|days| now + days * DAY),
        ..KeyRow::new(&secret.hash(), scopes.to_string(), now)
    };
    keys::create(&settings(args.place.data.as_ref())?, &row).await?;
    if args.place.json {
        let mut view = http::guard::keys::view(&row);
        view["key"] = secret.reveal().into();
        out::print(&out::json(&view)).ok();
        return Ok(0);
    }
    out::print(&format!("{}\n", secret.reveal())).ok();
    let whose = row.project_id.as_ref();
    let whose = whose.map_or_else(|| "every project".to_owned(), |name| format!("project {name}"));
    out::note(&format!("{} may {scopes} in {whose}; it is shown this once", row.id));
    if let Some(project) = &row.project_id {
        out::note(&format!(
            "the project pays for its own jobs: tailwater credits grant 100 --project {project}"
        ));
    }
    Ok(0)
}

fn check(args: &CreateKey) -> Result<(), Failure> {
    if args.project.is_some() && args.scopes.contains(&Scope::Admin) {
        let message = "the scope 'admin' is for the whole server: leave out --project";
        return Err(Failure::bad_input(message));
    }
    if let Some(project) = args.project.as_deref().filter(|name| !http::is_project(name)) {
        let rule = http::PROJECT_RULE;
        return Err(Failure::bad_input(format!("--project {rule}, not '{project}'")));
    }
    if !http::guard::keys::is_name(&args.name) {
        let rule = http::guard::keys::NAME_RULE;
        return Err(Failure::bad_input(format!("--name {rule}")));
    }
    Ok(())
}

async fn show(args: &ListKeys) -> Result<u8, Failure> {
    let rows = keys::list(&settings(args.place.data.as_ref())?).await?;
    let rows: Vec<_> = rows.into_iter().filter(|row| row.parent_id.is_none()).collect();
    if args.place.json {
        let views: Vec<Value> = rows.iter().map(http::guard::keys::view).collect();
        out::print(&out::json(&json!({ "keys": views }))).ok();
        return Ok(0);
    }
    out::print(&table(&rows, now_ms())).ok();
    if rows.is_empty() {
        out::note("there is no key: whoever reaches the server may do everything");
    }
    Ok(0)
}

async fn end(args: &RevokeKey) -> Result<u8, Failure> {
    let rule = "a key is revoked by its id, which begins with key_: see `tailwater keys list`";
    let id: KeyId = args.id.parse().map_err(|_| Failure::bad_input(rule))?;
    let revoked = keys::revoke(&settings(args.place.data.as_ref())?, &id).await?;
    let said = match revoked {
        Revoked::Now => "is revoked",
        Revoked::Before => "was revoked before",
        Revoked::Unknown => return Err(Failure::bad_input(format!("there is no key {id}"))),
    };
    if args.place.json {
        out::print(&out::json(&json!({ "id": id, "revoked": true }))).ok();
    } else {
        out::note(&format!("{id} {said}"));
    }
    Ok(0)
}

fn table(rows: &[KeyRow], now: i64) -> String {
    let heading = ["ID", "NAME", "SCOPES", "PROJECT", "AGE", "LAST USED", "STATE"];
    let row = |row: &KeyRow| {
        let age = |at: i64| jobs::age(now.saturating_sub(at));
        [
            row.id.to_string(),
            jobs::on_one_line(&row.name),
            row.scopes.clone(),
            row.project_id.clone().unwrap_or_else(|| "all".into()),
            age(row.created_at),
            row.last_used_at.map_or_else(|| "never".into(), |at| format!("{} ago", age(at))),
            state(row, now).into(),
        ]
    };
    out::table(heading, rows.iter().map(row))
}

fn state(row: &KeyRow, now: i64) -> &'static str {
    if row.revoked_at.is_some() {
        "revoked"
    } else if row.expires_at.is_some_and(|end| end <= now) {
        "expired"
    } else {
        "valid"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_line_without_its_secret() {
        let row = KeyRow {
            name: "blog\nbackend".into(),
            project_id: Some("blog".into()),
            last_used_at: Some(60_000),
            id: "key_1".parse().unwrap(),
            ..KeyRow::new(&[7; 32], "submit read".into(), 0)
        };
        let revoked = KeyRow {
            id: "key_2".parse().unwrap(),
            revoked_at: Some(1),
            ..KeyRow::new(&[8; 32], "admin".into(), 0)
        };
        assert_eq!(
            table(&[row, revoked], 120_000),
            "ID     NAME          SCOPES       PROJECT  AGE  LAST USED  STATE\n\
             key_1  blog backend  submit read  blog     2 m  1 m ago    valid\n\
             key_2                admin        all      2 m  never      revoked\n"
        );
    }
}
