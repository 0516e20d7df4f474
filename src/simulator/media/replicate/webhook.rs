//! Webhooks, signed by Standard Webhooks (<https://www.standardwebhooks.com>,
//! <https://replicate.com/docs/topics/webhooks/verify-webhook>).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

use crate::simulator::media::callback::{Letter, Mail, Occasion, now_seconds};
use crate::simulator::media::desk::Desk;
use crate::simulator::media::task::Task;

use super::prediction;

/// The account's secret, as its route tells it. It protects nothing but simulated work.
pub(super) const SECRET: &str = "whsec_c2ltdWxhdGVkLXdlYmhvb2stc2VjcmV0";

/// Exponential, the last about a minute after the end.
pub(super) const MAIL: Mail = Mail { write, retries: &[1, 2, 4, 8, 16, 32] };

fn write(desk: &Desk, task: &Task, occasion: Occasion) -> Option<Letter> {
    let (event, by_default) = match occasion {
        Occasion::Running => ("start", false),
        Occasion::Progress => ("logs", false),
        Occasion::Output => ("output", true),
        Occasion::Over | Occasion::Forged => ("completed", true),
    };
    let wanted = match task.order.details["webhook_events_filter"].as_array() {
        Some(filter) => filter.iter().any(|wanted| wanted == event),
        None => by_default,
    };
    let mut body = prediction::show(desk, task);
    if !wanted || (occasion == Occasion::Output && body["output"].is_null()) {
        return None;
    }
    let secret = if occasion == Occasion::Forged {
        body["status"] = "failed".into();
        body["error"] = "forged".into();
        "whsec_Zm9yZ2Vk"
    } else {
        SECRET
    };
    let body = body.to_string();
    let message = format!("msg_{}", uuid::Uuid::now_v7().simple());
    let timestamp = now_seconds().to_string();
    let signature = sign(secret, &message, &timestamp, &body);
    Some(Letter {
        url: task.order.callback.clone()?,
        headers: vec![
            ("webhook-id", message),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", signature),
        ],
        body,
    })
}

fn sign(secret: &str, message: &str, timestamp: &str, body: &str) -> String {
    let secret = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = BASE64_STANDARD.decode(secret).expect("our secrets are written in base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("{message}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_test_vector_has_its_signature() {
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
