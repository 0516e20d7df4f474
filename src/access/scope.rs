//! What a key is for.

use std::fmt;
use std::str::FromStr;

/// One thing that a key may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Submitting and canceling jobs, and uploading files for them.
    Submit,
    /// Everything that only looks.
    Read,
    /// Pushing the events of external jobs.
    Publish,
    /// Everything, keys and credits too.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Submit, Self::Read, Self::Publish, Self::Admin];

    /// The word on the wire, in the database, on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A word that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no scope; there are submit, read, publish, admin")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        let unknown = || UnknownScope(word.chars().take(32).collect());
        Self::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or_else(unknown)
    }
}

/// What a key is for, in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether this is among what the key is for; with [`Scope::Admin`] everything is.
    #[must_use]
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// The scopes that were named, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;

    /// Reads words with commas or spaces between them.
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        words.map(str::parse::<Scope>).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(Scope::as_str).collect();
        formatter.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        let scopes: Scopes = "read,submit".parse().unwrap();
        assert_eq!(scopes.to_string(), "submit read");
        assert_eq!(scopes.to_string().parse(), Ok(scopes));
        assert!("read,fly".parse::<Scopes>().unwrap_err().to_string().starts_with("'fly' is no"));
        assert_eq!("".parse(), Ok(Scopes::default()));
    }

    #[test]
    fn a_key_is_for_what_was_named_and_admin_is_for_everything() {
        let reads: Scopes = [Scope::Read].into_iter().collect();
        assert_eq!(Scope::ALL.map(|scope| reads.allow(scope)), [false, true, false, false]);
        let admin: Scopes = [Scope::Admin].into_iter().collect();
        assert!(Scope::ALL.into_iter().all(|scope| admin.allow(scope)));
        assert!(!Scopes::default().allow(Scope::Read));
    }
}
