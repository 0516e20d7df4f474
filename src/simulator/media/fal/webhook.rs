//! Webhooks, signed with Ed25519 (<https://docs.fal.ai/model-apis/model-endpoints/webhooks>).

use axum::Json;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::simulator::media::callback::{Letter, Mail, Occasion, now_seconds};
use crate::simulator::media::desk::Desk;
use crate::simulator::media::task::{End, Task};

use super::outcome;

/// The older documentation's ten attempts in two hours; the newer has more of them.
pub(super) const MAIL: Mail =
    Mail { write, retries: &[10, 20, 40, 80, 160, 320, 640, 1_280, 2_560] };

/// Whose work it all is.
const USER: &str = "user_simulated";

/// What the keys grow from: they sign nothing but simulated work.
const SEED: [u8; 32] = *b"simulated-fal-webhook-signature!";
const FORGER: [u8; 32] = *b"somebody-else's-key-altogether!!";

fn key(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed")
}

/// The keys that signatures are checked with; an older one is still among them.
pub(super) async fn jwks() -> Json<Value> {
    let entry = |seed: &[u8; 32]| {
        let x = BASE64_URL_SAFE_NO_PAD.encode(key(seed).public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
    };
    Json(json!({ "keys": [entry(&[7; 32]), entry(&SEED)] }))
}

fn write(desk: &Desk, task: &Task, occasion: Occasion) -> Option<Letter> {
    let (seed, end) = match occasion {
        Occasion::Over => (&SEED, task.end()?),
        Occasion::Forged => (&FORGER, End::Failed(None)),
        Occasion::Running | Occasion::Progress | Occasion::Output => return None,
    };
    let (_, payload) = outcome::model_answer(desk, task, &end);
    let mut body = json!({
        "request_id": task.id(),
        "gateway_request_id": task.id(),
        "payload": payload,
        "status": if end == End::Succeeded { "OK" } else { "ERROR" },
    });
    if let Some((error, _)) = outcome::error(&end) {
        body["error"] = json!(error);
    }
    let body = body.to_string();
    let timestamp = now_seconds().to_string();
    let signature = sign(seed, task.id(), USER, &timestamp, &body);
    Some(Letter {
        url: task.order.callback.clone()?,
        headers: vec![
            ("x-fal-webhook-request-id", task.id().to_owned()),
            ("x-fal-webhook-user-id", USER.to_owned()),
            ("x-fal-webhook-timestamp", timestamp),
            ("x-fal-webhook-signature", signature),
        ],
        body,
    })
}

fn sign(seed: &[u8; 32], request: &str, user: &str, timestamp: &str, body: &str) -> String {
    let digest = hex(&Sha256::digest(body));
    let message = format!("{request}\n{user}\n{timestamp}\n{digest}");
    hex(key(seed).sign(message.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_key_makes_a_known_signature() {
        // Made with another implementation of the documented recipe.
        let seed: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let id = "11111111-2222-4333-8444-555555555555";
        let body = r#"{"request_id":"11111111-2222-4333-8444-555555555555","gateway_request_id":"11111111-2222-4333-8444-555555555555","status":"OK","payload":{"video":{"url":"http://sim.local/out.mp4"}}}"#;
        assert_eq!(
            sign(&seed, id, "user_test", "1767225600", body),
            "951023dd931073fb94bbabc1fb5d07c301b52cb00f030b785f049fe8ac840da2\
             c241d04c712b23a7a453b13934d2526fcc3a3b28833652042c260328a06e6b05"
        );
    }
}
