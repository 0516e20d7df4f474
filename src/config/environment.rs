//! The environment of the process, read once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Variables and their values.
///
/// A value of its own rather than calls to `std::env`, so that a test brings its own variables and
/// disturbs no other test.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

impl Environment {
    /// The variables of this process. Names that are not UTF-8 are none of ours.
    #[must_use]
    pub fn of_process() -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self { variables: std::env::vars_os().filter_map(named).collect() }
    }

    /// The value of a variable. An empty one counts as not set: `docker compose` and shells set
    /// variables to nothing where they mean none.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The names that begin like ours.
    pub(super) fn ours(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str).filter(|name| name.starts_with("TAILWATER_"))
    }
}

/// Shows names only: values may be secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.ours()).finish()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.into());
        Self { variables: variables.into_iter().map(owned).collect() }
    }
}
