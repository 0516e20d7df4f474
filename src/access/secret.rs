//! The secret that a key is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

/// What every key begins with, so that one that leaked is found by scanners, and one that was put
/// into the wrong field is told from other keys.
const PREFIX: &str = "tw_";

/// 256 bits.
const BYTES: usize = 32;

/// A key's secret, random and shown once. `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A new one, from the system's generator.
    ///
    /// # Panics
    /// When the system has no randomness to give, which no system that runs says.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = [0; BYTES];
        SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text, for the one moment in which it is shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// What would be kept of a text if it were a key. To look for it among hashes tells an attacker
/// nothing by the time it takes: who knows a hash knows no text that has it.
#[must_use]
pub(super) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_256_bits_and_shows_nowhere() {
        let (one, other) = (Secret::generate(), Secret::generate());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), PREFIX.len() + 43);
        assert_eq!(one.hash(), hash(one.reveal()));
        assert_eq!(format!("{one:?}"), "Secret(…)");
    }
}
