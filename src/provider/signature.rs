//! Signatures of callbacks by the recipes of single providers, each compared in constant time; the
//! one that many share is in [`crate::signing`].

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use ring::{digest, hmac, signature};
use serde_json::Value;

use super::media::{CLOCK_SKEW, Callback, Unverified};

/// A header of a callback as text.
///
/// # Errors
/// [`Unverified::Forged`] when it is absent or no text.
pub(super) fn header<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<&'a str, Unverified> {
    let value = headers.get(name).ok_or(Unverified::Forged(name))?;
    value.to_str().map_err(|_| Unverified::Forged(name))
}

/// The callback's JSON.
///
/// # Errors
/// [`Unverified::Forged`] when the body is none.
pub(super) fn json(callback: &Callback<'_>) -> Result<Value, Unverified> {
    serde_json::from_slice(callback.body).map_err(|_| Unverified::Forged("the body is no JSON"))
}

/// Holds the timestamp of the header, in Unix seconds, against the time.
///
/// # Errors
/// [`Unverified::Stale`] outside [`CLOCK_SKEW`], [`Unverified::Forged`] for no number.
pub(super) fn timely(timestamp: &str, name: &'static str, now: i64) -> Result<(), Unverified> {
    let signed: i64 = timestamp.parse().map_err(|_| Unverified::Forged(name))?;
    let off = now.saturating_sub(signed);
    if off.unsigned_abs() <= CLOCK_SKEW.unsigned_abs() {
        Ok(())
    } else {
        Err(Unverified::Stale(off))
    }
}

/// Whether one of the public keys signed the message with Ed25519; the signature is in hex.
pub(super) fn ed25519(keys: &[Vec<u8>], message: &[u8], hex: &str) -> bool {
    let Some(signed) = unhex(hex) else { return false };
    let signed_by = |key: &Vec<u8>| {
        signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(message, &signed).is_ok()
    };
    keys.iter().any(signed_by)
}

/// The Ed25519 keys of a JSON Web Key Set (RFC 8037 § 2); other keys are passed over.
pub(super) fn ed25519_keys(set: &Value) -> Vec<Vec<u8>> {
    let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten();
    keys.filter(|key| key["kty"] == "OKP" && key["crv"] == "Ed25519")
        .filter_map(|key| URL_SAFE_NO_PAD.decode(key["x"].as_str()?.trim_end_matches('=')).ok())
        .collect()
}

/// Whether the signature, in hex, is the HMAC-SHA256 of the message under the secret.
pub(super) fn hex_hmac(secret: &str, message: &[u8], hex: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    // With an empty secret anybody could sign.
    !secret.is_empty()
        && unhex(hex).is_some_and(|signed| hmac::verify(&key, message, &signed).is_ok())
}

/// Whether somebody knows the secret. Their HMACs are compared: that takes the same time whatever
/// was said.
pub(super) fn same_secret(secret: &str, said: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, secret.as_bytes());
    !secret.is_empty() && hmac::verify(&key, said.as_bytes(), tag.as_ref()).is_ok()
}

/// The SHA-256 of the bytes in lower-case hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
        hex
    })
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex.chars().map(nibble).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn nibble(digit: char) -> Option<u8> {
    digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_may_be_five_minutes_off_either_way() {
        for now in [700, 1000, 1300] {
            assert_eq!(timely("1000", "t", now), Ok(()), "{now}");
        }
        assert_eq!(timely("1000", "t", 1301), Err(Unverified::Stale(301)));
        assert_eq!(timely("1000", "t", 699), Err(Unverified::Stale(-301)));
        assert!(matches!(timely(&i64::MIN.to_string(), "t", i64::MAX), Err(Unverified::Stale(_))));
        assert_eq!(timely("soon", "t", 1000), Err(Unverified::Forged("t")));
    }

    #[test]
    fn a_hex_hmac_and_a_plain_secret_need_the_secret() {
        // RFC 4231, test case 2.
        let (key, data) = ("Jefe", b"what do ya want for nothing?");
        let hex = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(hex_hmac(key, data, hex));
        assert!(hex_hmac(key, data, &hex.to_uppercase()));
        assert!(!hex_hmac("other", data, hex));
        assert!(!hex_hmac(key, b"else", hex));
        for odd in ["", "5", "zz", &hex[..62]] {
            assert!(!hex_hmac(key, data, odd), "{odd}");
        }
        let of_nothing = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b""), data);
        let of_nothing: String =
            of_nothing.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!hex_hmac("", data, &of_nothing), "an empty secret");
        assert!(same_secret("shared", "shared"));
        for said in ["", "share", "shared ", "other"] {
            assert!(!same_secret("shared", said), "{said}");
        }
        assert!(!same_secret("", ""));
    }
}
