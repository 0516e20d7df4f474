//! Callbacks: a challenge first, then words of their own; nothing is signed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::simulator::media::callback::{Caller, Letter, Mail, Occasion};
use crate::simulator::media::desk::{self, Desk};
use crate::simulator::media::task::Task;

use super::{v1, v2};

/// How long a receiver may take to echo the challenge, in real time.
const CHALLENGE_TIMEOUT: Duration = Duration::from_secs(3);

/// Retries are not documented; these are few.
pub(super) const MAIL: Mail = Mail { write, retries: &[5, 30] };

/// Whether the receiver at this address echoes a challenge in time.
pub(super) async fn accepts(caller: &Caller, url: &str) -> bool {
    if !desk::is_http(url) {
        return false;
    }
    let challenge = json!({ "challenge": uuid::Uuid::now_v7().simple().to_string() });
    let letter = Letter { url: url.to_owned(), headers: Vec::new(), body: challenge.to_string() };
    let answer = tokio::time::timeout(CHALLENGE_TIMEOUT, caller.post(&letter)).await;
    let echo = answer.ok().flatten().map(|body| desk::parse(&body));
    echo.is_some_and(|echo: Value| echo["challenge"] == challenge["challenge"])
}

fn write(desk: &Desk, task: &Task, occasion: Occasion) -> Option<Letter> {
    let mut url = task.order.callback.clone()?;
    match occasion {
        Occasion::Running | Occasion::Over | Occasion::Forged => {}
        Occasion::Progress | Occasion::Output => return None,
    }
    let first = task.order.details["generation"] == 1;
    let mut body = if first { v1::show(task) } else { v2::show(desk, task) };
    let forged = occasion == Occasion::Forged;
    if first {
        let status = match body["status"].as_str() {
            _ if forged => "failed",
            Some("Success") => "success",
            Some("Fail") => "failed",
            Some(_) | None => "processing",
        };
        body["status"] = json!(status);
    } else if forged {
        body["task"]["status"] = json!("failed");
    }
    if forged {
        // Who does not know the address can only guess the secret at its end.
        url.truncate(url.rfind('/')? + 1);
        url.push_str("forged");
    }
    Some(Letter { url, headers: Vec::new(), body: body.to_string() })
}
