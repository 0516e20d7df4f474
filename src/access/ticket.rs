//! Tickets: what `EventSource` can carry, since it sends no headers and keeps its URL for good.
//!
//! A ticket opens one job or one project for reading. It is not kept anywhere: it names the key that
//! signed it, and is signed with that key's hash, so that it ends with the key.
//!
//! `tkt_j.SIGNATURE.EXPIRES.KEY.SUBJECT`, where the signature is HMAC-SHA256 in base64url over the
//! rest, `EXPIRES` is in UTC seconds, and `j` or `p` says whether the subject is a job or a project.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::job::{JobId, KeyId};

use super::Key;

/// How long a ticket is good at most, in milliseconds.
pub const LIFE: i64 = 24 * 3_600_000;

/// How long a job's ticket is good after the job's end, or after it was handed out if that was
/// later, in milliseconds.
pub const GRACE: i64 = 3_600_000;

/// The longest text that can be a ticket.
const LENGTH_LIMIT: usize = 512;

const PREFIX: &str = "tkt_";

/// What a ticket opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A job and its files.
    Job(JobId),
    /// All jobs of a project.
    Project(String),
}

impl Subject {
    /// Its letter in a ticket, and its name.
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Job(id) => ("j", id.as_str()),
            Self::Project(name) => ("p", name),
        }
    }
}

/// A ticket as it was read; nothing of it is to be believed before [`Ticket::is_signed_by`].
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// What it opens.
    pub subject: Subject,
    /// The key that it claims to be from.
    pub key: KeyId,
    /// When it ends, in UTC milliseconds; whole seconds.
    pub expires_at: i64,
    signature: Vec<u8>,
}

/// A text that is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ticket is not one of this server")]
pub struct TicketError;

impl Ticket {
    /// A ticket from this key, in the form that a URL takes as it is.
    #[must_use]
    pub fn issue(key: &Key, subject: &Subject, expires_at: i64) -> String {
        let (kind, name) = subject.parts();
        let signed = format!("{}.{}.{name}", expires_at.div_euclid(1000), key.id);
        let signature = hmac::sign(&signing_key(key), message(kind, &signed).as_bytes());
        format!("{PREFIX}{kind}.{}.{signed}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Reads a ticket.
    ///
    /// # Errors
    /// When the text has not the form of one.
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        let mut parts = text
            .strip_prefix(PREFIX)
            .filter(|_| text.len() <= LENGTH_LIMIT)
            .ok_or(TicketError)?
            .splitn(5, '.');
        let mut next = || parts.next().ok_or(TicketError);
        let (kind, signature, expires, key, name) = (next()?, next()?, next()?, next()?, next()?);
        // One way to write each number only: a ticket that reads the same is the same.
        let seconds: i64 = expires.parse().map_err(|_| TicketError)?;
        if seconds.to_string() != expires {
            return Err(TicketError);
        }
        let subject = match kind {
            "j" => Subject::Job(name.parse().map_err(|_| TicketError)?),
            "p" if !name.is_empty() => Subject::Project(name.to_owned()),
            _ => return Err(TicketError),
        };
        Ok(Self {
            subject,
            key: key.parse().map_err(|_| TicketError)?,
            expires_at: seconds.checked_mul(1000).ok_or(TicketError)?,
            signature: URL_SAFE_NO_PAD.decode(signature).map_err(|_| TicketError)?,
        })
    }

    /// Whether this key made it, as it is; compared in constant time.
    #[must_use]
    pub fn is_signed_by(&self, key: &Key) -> bool {
        let (kind, name) = self.subject.parts();
        let signed = format!("{}.{}.{name}", self.expires_at / 1000, self.key);
        let message = message(kind, &signed);
        self.key == key.id
            && hmac::verify(&signing_key(key), message.as_bytes(), &self.signature).is_ok()
    }
}

impl fmt::Display for Ticket {
    /// What names it, and opens nothing.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = self.subject.parts();
        write!(formatter, "{} {} {name}", self.key, self.expires_at)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ticket")
            .field("subject", &self.subject)
            .field("key", &self.key)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

fn signing_key(key: &Key) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &key.hash)
}

fn message(kind: &str, signed: &str) -> String {
    format!("tailwater ticket {kind}.{signed}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Secret;
    use crate::db::keys::KeyRow;

    fn key() -> Key {
        Key::new(KeyRow::new(&Secret::generate().hash(), "read".into(), 0), 1)
    }

    #[test]
    fn a_ticket_reads_back_and_is_its_keys_alone() {
        let (key, other) = (key(), key());
        let job = Subject::Job(JobId::generate());
        let project = Subject::Project("a.b-c_9".into());
        for subject in [job, project] {
            let text = Ticket::issue(&key, &subject, 1_795_176_000_999);
            let ticket = Ticket::parse(&text).unwrap();
            assert_eq!((&ticket.subject, &ticket.key), (&subject, &key.id));
            assert_eq!(ticket.expires_at, 1_795_176_000_000);
            assert!(ticket.is_signed_by(&key));
            assert!(!ticket.is_signed_by(&other));
            assert!(!format!("{ticket:?}").contains(text.split('.').nth(1).unwrap()));
        }
    }

    #[test]
    fn no_byte_of_a_ticket_can_be_changed() {
        let key = key();
        let text = Ticket::issue(&key, &Subject::Job(JobId::generate()), 1_795_176_000_000);
        for place in 0..text.len() {
            for byte in [b'0', b'1', b'a', b'.', b'_', b'p'] {
                let mut bytes = text.clone().into_bytes();
                if bytes[place] == byte {
                    continue;
                }
                bytes[place] = byte;
                let changed = Ticket::parse(std::str::from_utf8(&bytes).unwrap());
                let same = changed.as_ref().is_ok_and(|ticket| ticket.is_signed_by(&key));
                assert!(!same, "{place}");
            }
        }
    }

    #[test]
    fn what_is_no_ticket_is_none() {
        for text in [
            "",
            "tkt_",
            "tkt_j.a.1.key_1",
            "tkt_x.a.1.key_1.job_1",
            "tkt_j.a.+1.key_1.job_1",
            "tkt_j.a.9223372036854775807.key_1.job_1",
            "tkt_j.*.1.key_1.job_1",
            "tkt_p.aa.1.key_1.",
            "tkt_j.aa.1.key_1.job_../x",
        ] {
            assert_eq!(Ticket::parse(text), Err(TicketError), "{text}");
        }
        assert_eq!(
            Ticket::parse(&format!("tkt_p.aa.1.key_1.{}", "x".repeat(600))),
            Err(TicketError)
        );
    }
}
