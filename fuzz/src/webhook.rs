//! Callbacks: what a provider signed is believed, what anybody else sends is not.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ring::{digest, hmac};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tailwater::provider::media::{CLOCK_SKEW, Callback, Place, Service, Unverified, Verified};
use tailwater::provider::{local_client, registry};

use super::input::Input;
use super::runtime;
use super::stage::{KEY, Stage};

const NAMES: [&str; 4] = ["replicate", "fal", "bfl", "minimax"];

const HEADERS: [&str; 9] = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-fal-webhook-request-id",
    "x-fal-webhook-user-id",
    "x-fal-webhook-timestamp",
    "x-fal-webhook-signature",
    "x-bfl-signature",
    "x-webhook-secret",
];

/// The time of every callback, in Unix seconds.
const NOW: i64 = 1_800_000_000;

/// What Replicate signs with, in base64 behind its prefix.
const STANDARD_KEY: &[u8] = b"a key of Replicate's";

struct World {
    services: Vec<Arc<dyn Service>>,
    secret: SecretString,
    keys: Ed25519KeyPair,
}

thread_local! {
    static WORLD: World = World::new();
}

impl World {
    fn new() -> Self {
        let keys = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed");
        let public = URL_SAFE_NO_PAD.encode(keys.public_key());
        let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{public}"}}]}}"#);
        // One a thread, for as long as the process lives.
        let stage = Stage::open(set.leak());
        let connect = |name| {
            let place = Place {
                base_url: Some(stage.url.clone()),
                key: Some(KEY.into()),
                webhook_secret: Some(format!("whsec_{}", STANDARD.encode(STANDARD_KEY)).into()),
            };
            let client = local_client().expect("a client needs nothing");
            registry::connect(name, client, place).expect("it is known")
        };
        Self { services: NAMES.map(connect).into(), secret: "token-1234".into(), keys }
    }

    fn verify(&self, who: usize, headers: &HeaderMap, body: &[u8]) -> Result<Verified, Unverified> {
        let callback = Callback { headers, body, secret: &self.secret, now: NOW };
        runtime::block_on(self.services[who].verify(callback))
    }

    /// The headers of a provider that signs this body at this time.
    fn sign(&self, who: usize, id: &str, at: i64, body: &[u8]) -> HeaderMap {
        let at = at.to_string();
        match NAMES[who] {
            "replicate" => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, STANDARD_KEY);
                let message = [id.as_bytes(), b".", at.as_bytes(), b".", body].concat();
                let signature = format!("v1,{}", STANDARD.encode(hmac::sign(&key, &message)));
                headers([
                    ("webhook-id", id.as_bytes()),
                    ("webhook-timestamp", at.as_bytes()),
                    ("webhook-signature", signature.as_bytes()),
                ])
            }
            "fal" => {
                let hash = hex(digest::digest(&digest::SHA256, body).as_ref());
                let message = [id, "user", &at, &hash].join("\n");
                let signature = hex(self.keys.sign(message.as_bytes()).as_ref());
                headers([
                    ("x-fal-webhook-request-id", id.as_bytes()),
                    ("x-fal-webhook-user-id", b"user"),
                    ("x-fal-webhook-timestamp", at.as_bytes()),
                    ("x-fal-webhook-signature", signature.as_bytes()),
                ])
            }
            "bfl" => {
                let secret = self.secret.expose_secret().as_bytes();
                let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), body);
                headers([("x-bfl-signature", hex(signed.as_ref()).as_bytes())])
            }
            _ => HeaderMap::new(),
        }
    }
}

pub fn run(bytes: &[u8]) {
    WORLD.with(|world| callback(world, &mut Input::new(bytes)));
}

fn callback(world: &World, input: &mut Input<'_>) {
    let (who, what) = (usize::from(input.byte()) % NAMES.len(), input.byte());
    let unsigned = NAMES[who] == "minimax";
    if what.is_multiple_of(2) {
        let headers = headers(HEADERS.map(|name| (name, input.piece())));
        let verified = world.verify(who, &headers, input.rest());
        assert!(unsigned || verified.is_err(), "{headers:?}");
        return verified.map_or_else(|error| drop(error.to_string()), |verified| sane(&verified));
    }
    let off = i64::from(input.byte()) * 5 - 640;
    let id: String = input.piece().iter().map(|byte| char::from(b'!' + byte % 90)).collect();
    let body = input.rest();
    let headers = world.sign(who, &id, NOW - off, body);
    let verified = world.verify(who, &headers, body);
    let json = serde_json::from_slice::<Value>(body).is_ok();
    let timely = off.abs() <= CLOCK_SKEW || !["replicate", "fal"].contains(&NAMES[who]);
    match &verified {
        Ok(verified) => {
            assert!(json && timely);
            sane(verified);
        }
        // An empty id makes no header; BFL and MiniMax name the work in the body alone.
        Err(_) => assert!(!json || !timely || id.is_empty() || who > 1),
    }
    // Nothing else passes under the same signature.
    let mut other = body.to_vec();
    match other.first_mut() {
        Some(byte) => *byte ^= 1,
        None => other.push(b'1'),
    }
    assert!(unsigned || world.verify(who, &headers, &other).is_err());
}

fn sane(verified: &Verified) {
    let id = verified.operation.as_deref().unwrap_or("x");
    assert!((1..=200).contains(&id.len()) && !id.contains(['/', '?', '%', '#']), "{id:?}");
}

/// The headers whose values a header can carry.
fn headers<const N: usize>(all: [(&'static str, &[u8]); N]) -> HeaderMap {
    let value = |value: &[u8]| HeaderValue::from_bytes(value).ok().filter(|one| !one.is_empty());
    let pair = |(name, bytes)| Some((HeaderName::from_static(name), value(bytes)?));
    all.into_iter().filter_map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
