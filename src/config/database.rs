//! The settings of what several servers share.

use secrecy::SecretString;

use crate::db;
use crate::nats;

use super::form::{Described, Form};

/// The address of a Postgres, or nothing. Its password is shown to nobody.
pub(super) struct Database;

impl Form for Database {
    type Value = Option<SecretString>;

    fn read(&self, text: &str) -> Option<Option<SecretString>> {
        if text.is_empty() {
            return Some(None);
        }
        let url = SecretString::from(text);
        db::Place::Postgres(&url).name().is_ok().then_some(Some(url))
    }

    fn show(&self, value: &Option<SecretString>) -> Option<String> {
        value.as_ref().and_then(|url| db::Place::Postgres(url).name().ok())
    }

    fn describe(&self) -> Described {
        let allowed = "the address of a Postgres, as in postgres://user@host:5432/name; a password may \
                       stand in PGPASSWORD";
        Described { secret: true, ..Described::new("URL", allowed) }
    }
}

/// The address of NATS servers, or nothing. A password in it is shown to nobody.
pub(super) struct Events;

impl Form for Events {
    type Value = Option<nats::Address>;

    fn read(&self, text: &str) -> Option<Option<nats::Address>> {
        if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
    }

    fn show(&self, value: &Option<nats::Address>) -> Option<String> {
        value.as_ref().map(ToString::to_string)
    }

    fn describe(&self) -> Described {
        let allowed = "the addresses of NATS servers with commas between them, as in \
                       nats://one:4222,two:4222/name";
        Described { secret: true, ..Described::new("URL", allowed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_who_we_are_there() {
        let read = |text| Database.read(text).flatten();
        let url = read("postgres://me:pass@db.test:5433/jobs?sslmode=require");
        assert_eq!(Database.show(&url).unwrap(), "postgres://db.test:5433/jobs");
        assert!(Database.read("").unwrap().is_none());
        let slash = "postgres://me:12/secret@db.test/jobs";
        let odd = "postgres://db.test/jobs?key=secret";
        for junk in ["db.test", "mysql://db.test/jobs", "postgres://db.test:port/jobs", slash, odd]
        {
            assert!(Database.read(junk).is_none(), "{junk}");
        }
    }
}
