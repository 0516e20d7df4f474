//! Where each effective value comes from.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag(&'static str),
    /// In this environment variable.
    Environment(&'static str),
    /// In the settings file.
    File {
        /// Which file.
        path: PathBuf,
        /// Which line of it, from 1.
        line: usize,
    },
    /// Nowhere.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(formatter, "flag --{flag}"),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::File { path, line } => write!(formatter, "{} line {line}", path.display()),
            Self::Default => formatter.write_str("default"),
        }
    }
}

/// One setting as it is in effect.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name, which is also its key in the settings file.
    pub name: &'static str,
    /// Its value as a flag would hold it, or nothing when it is not set; a secret is hidden.
    pub value: Option<String>,
    /// Where it was set.
    pub origin: Origin,
}

/// Every setting as it is in effect; holds no secret.
#[derive(Clone, Debug)]
pub struct Report {
    /// The settings in the order of their declaration.
    pub entries: Vec<Entry>,
}

impl Report {
    /// `{"listen": {"value": "127.0.0.1:8080", "origin": "default"}, …}`; a setting that is not set
    /// has the value `null`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let pair = |entry: &Entry| {
            let shown = json!({ "value": entry.value, "origin": entry.origin.to_string() });
            (entry.name.to_owned(), shown)
        };
        Value::Object(self.entries.iter().map(pair).collect::<Map<_, _>>())
    }

    /// A table for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let width = |of: fn(&Entry) -> usize| self.entries.iter().map(of).max().unwrap_or(0);
        let name_width = width(|entry| entry.name.len());
        let value_width = width(|entry| shown(entry).chars().count());
        let mut text = String::new();
        for entry in &self.entries {
            let Entry { name, origin, .. } = entry;
            let value = shown(entry);
            text += &format!("{name:name_width$}  {value:value_width$}  {origin}\n");
        }
        text
    }
}

fn shown(entry: &Entry) -> &str {
    entry.value.as_deref().unwrap_or("(not set)")
}
