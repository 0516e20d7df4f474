//! Ids of jobs, files and keys: a prefix and a time-ordered UUID in Crockford's base 32.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// <https://www.crockford.com/base32.html>, lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 128 bits in digits of five.
const DIGITS: usize = 26;

/// A text that is no id of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is '{prefix}' followed by 1 to 64 letters, digits, '_' or '-'")]
pub struct IdError {
    prefix: &'static str,
}

fn generate(prefix: &str) -> Arc<str> {
    let mut value = uuid::Uuid::now_v7().as_u128();
    let mut digits = [0_u8; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    format!("{prefix}{}", digits.map(char::from).iter().collect::<String>()).into()
}

/// An id that a database worker or a restored backup brought need not be one of ours, so the form
/// is checked and not the digits.
fn parse(text: &str, prefix: &'static str) -> Result<Arc<str>, IdError> {
    let rest = text.strip_prefix(prefix).ok_or(IdError { prefix })?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if rest.is_empty() || rest.len() > 64 || !rest.bytes().all(plain) {
        return Err(IdError { prefix });
    }
    Ok(text.into())
}

macro_rules! id {
    ($name:ident, $prefix:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// A new id; later ones sort after earlier ones.
            #[must_use]
            pub fn generate() -> Self {
                Self(generate($prefix))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text, $prefix).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

id!(JobId, "job_", "The id of a job, `job_` and 26 digits.");
id!(ArtifactId, "file_", "The id of a file that a job makes, `file_` and 26 digits.");
id!(UploadId, "upl_", "The id of a file that a client gave us, `upl_` and 26 digits.");
id!(KeyId, "key_", "The id of a key, which is no secret, `key_` and 26 digits.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_with_time_and_read_back() {
        let ids: Vec<_> = (0..100).map(|_| JobId::generate()).collect();
        assert!(ids.is_sorted());
        for id in ids {
            assert_eq!(id.as_str().len(), 4 + DIGITS);
            assert_eq!(id.as_str().parse::<JobId>(), Ok(id));
        }
    }

    #[test]
    fn a_text_that_could_leave_its_place_is_no_id() {
        for text in ["", "job_", "file_1", "job_../x", "job_a b", "job_%00", "job_é"] {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
    }
}
