//! The database, and the server that has it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::config::Settings;
use crate::db::{self, Look};
use crate::server::{self, Error, folder::Folder};

use super::clock::Asked;
use super::space::nearest;
use super::{Finding, Verdict};

const CHECK: &str = "database";

/// How long the server that has the folder may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Looks at it; gives its clock, where it has one of its own.
pub(super) async fn check(settings: &Settings) -> (Vec<Finding>, Option<Asked>) {
    let place = server::place(settings);
    let before = SystemTime::now();
    let seen = db::look(place).await;
    let after = SystemTime::now();
    let is_locked = is_locked(settings);
    let mut findings = vec![match &seen {
        Err(error) => Finding::fault(CHECK, error.to_string()),
        Ok(None) => not_there(settings),
        Ok(Some(look)) => {
            let name = place.name().unwrap_or_else(|_| "the database".to_owned());
            judge(&name, look, is_locked)
        }
    }];
    if is_locked {
        findings.push(judge_server(settings, ask(settings).await));
    }
    let keys = match &seen {
        Ok(Some(look)) => look.keys,
        Ok(None) => Some(0),
        // Nobody knows whether there is one.
        Err(_) => None,
    };
    let look = seen.ok().flatten();
    if keys == Some(0) && !settings.listen.ip().is_loopback() {
        let text = format!(
            "{} can be reached from outside, and no key exists: the server will not start; \
             `tailwater keys create --scope admin` makes one",
            settings.listen
        );
        findings.push(Finding::fault("keys", text));
    }
    let clock = look.and_then(|look| look.clock_ms);
    let clock = clock.map(|told| Asked::of_ms("the database", told, before, after));
    (findings, clock)
}

/// Whether a server has the data folder. Nothing is made to find that out.
fn is_locked(settings: &Settings) -> bool {
    // A folder without one was never a server's, and `lock` would make it.
    fs::exists(settings.data.join(server::folder::LOCK_FILE)).unwrap_or(false)
        && matches!(Folder::lock(&settings.data), Err(Error::Locked { .. }))
}

/// No database, which is well where one can be made.
fn not_there(settings: &Settings) -> Finding {
    let folder = settings.data.display();
    let Some(there) = nearest(&settings.data) else {
        return Finding::fault(CHECK, format!("the data folder {folder} leads nowhere"));
    };
    match tempfile_in(&there) {
        Ok(()) => Finding::good(CHECK, format!("none yet: a start makes it in {folder}")),
        Err(error) => {
            let text =
                format!("a start could not make it in {folder}: {}: {error}", there.display());
            Finding::fault(CHECK, text)
        }
    }
}

/// Writes a file there, and removes it.
pub(super) fn tempfile_in(folder: &std::path::Path) -> std::io::Result<()> {
    let path = folder.join(format!(".tailwater-doctor-{}", std::process::id()));
    fs::write(&path, b"the doctor was here")?;
    fs::remove_file(&path)
}

fn judge(name: &str, look: &Look, is_locked: bool) -> Finding {
    let Look { version, known, damage, .. } = look;
    let used = if is_locked || look.is_in_use { ", in use by a server" } else { "" };
    let finding = if let Some(damage) = damage {
        Finding::fault(CHECK, format!("{name} is damaged: {damage}"))
    } else if version > known {
        let text = format!(
            "{name} is of a later version ({version}; this program knows {known}): use that program"
        );
        Finding::fault(CHECK, text)
    } else if *version == 0 {
        Finding::good(CHECK, format!("{name} is empty: a start makes its tables"))
    } else if version < known {
        let text = format!(
            "{name} is of version {version}, and this program is at {known}: a start, or `tailwater \
             migrate`, brings it there{used}"
        );
        Finding::warning(CHECK, text)
    } else {
        Finding::good(CHECK, format!("{name} is there and up to date (version {version}){used}"))
    };
    finding.with("version", *version).with("known", *known)
}

/// What the server that has the folder says of itself.
async fn ask(settings: &Settings) -> Result<(u16, Value), String> {
    let ip = settings.listen.ip();
    let ip = if ip.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { ip };
    let url = format!("http://{}/readyz", SocketAddr::new(ip, settings.listen.port()));
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build();
    let client = client.map_err(|error| error.to_string())?;
    let response = client.get(url).send().await.map_err(|_| "nobody answers".to_owned())?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|error| error.to_string())?;
    let json = serde_json::from_slice(&body).map_err(|_| "it speaks something else".to_owned())?;
    Ok((status, json))
}

fn judge_server(settings: &Settings, answer: Result<(u16, Value), String>) -> Finding {
    const CHECK: &str = "running";
    let address = settings.listen;
    if settings.tls_cert.is_some() {
        return Finding::not_checked(
            CHECK,
            "the server speaks TLS; name its address with --server",
        );
    }
    match answer {
        Ok((200, json)) => {
            let jobs = json["running_jobs"].as_u64().unwrap_or_default();
            let finding =
                Finding::good(CHECK, format!("the server at {address} is ready, {jobs} jobs run"));
            if json["degraded"] == true {
                let text =
                    format!("the server at {address} cannot reach the event log of its cluster");
                return Finding::new(CHECK, Verdict::Fault, text);
            }
            finding
        }
        Ok((_, json)) => {
            let reason = json["reason"].as_str().unwrap_or("it does not say why").to_owned();
            Finding::fault(CHECK, format!("the server at {address} takes no jobs: {reason}"))
        }
        Err(why) => {
            let text = format!(
                "a server has the data folder, and at {address} {why}: it was started with other \
                 settings, or hangs"
            );
            Finding::warning(CHECK, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(version: i64) -> Look {
        Look { version, known: 7, keys: Some(0), is_in_use: false, clock_ms: None, damage: None }
    }

    #[test]
    fn a_database_of_another_version_is_told() {
        assert_eq!(judge("x", &look(7), false).verdict, Verdict::Good);
        assert_eq!(judge("x", &look(6), false).verdict, Verdict::Warning);
        assert_eq!(judge("x", &look(8), false).verdict, Verdict::Fault);
        assert!(judge("x", &look(0), false).text.contains("empty"));
        let damaged = Look { damage: Some("row 3".into()), ..look(7) };
        assert_eq!(judge("x", &damaged, false).verdict, Verdict::Fault);
        assert!(judge("x", &look(7), true).text.contains("in use"));
    }

    #[test]
    fn a_server_that_takes_no_jobs_says_why() {
        let judge = |answer| judge_server(&Settings::default(), answer);
        let ready = serde_json::json!({ "ready": true, "running_jobs": 2 });
        assert_eq!(judge(Ok((200, ready))).verdict, Verdict::Good);
        let full = serde_json::json!({ "ready": false, "reason": "memory" });
        assert!(judge(Ok((503, full))).text.contains("memory"));
        assert_eq!(judge(Err("nobody answers".into())).verdict, Verdict::Warning);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let settings = Settings { data: data.clone(), ..Settings::default() };
        let (findings, _) = check(&settings).await;
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Good), "{findings:?}");
        assert!(!data.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn of_a_database_that_does_not_open_nobody_says_that_it_has_no_key() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(crate::db::FILE), "no database at all".repeat(100)).unwrap();
        let mut settings = Settings { data: folder.path().into(), ..Settings::default() };
        settings.listen.set_ip([0, 0, 0, 0].into());
        let (findings, _) = check(&settings).await;
        let faults: Vec<_> = findings.iter().map(|it| (it.check.as_ref(), it.verdict)).collect();
        assert_eq!(faults, [(CHECK, Verdict::Fault)], "{findings:?}");
    }

    #[tokio::test]
    async fn without_a_key_nobody_else_may_reach_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings { data: folder.path().into(), ..Settings::default() };
        settings.listen.set_ip([0, 0, 0, 0].into());
        let (findings, _) = check(&settings).await;
        let keys = findings.iter().find(|finding| finding.check == "keys").unwrap();
        assert_eq!(keys.verdict, Verdict::Fault);
    }
}
