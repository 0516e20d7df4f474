//! What can be wrong with the settings, in one sentence each.

use std::path::PathBuf;

use super::report::Origin;

/// The settings cannot be used. A command that meets this ends with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The settings file cannot be read at all.
    #[error("the settings file {} cannot be read: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The settings file is not TOML.
    #[error("{} line {line} is not valid TOML: {reason}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What the parser expected.
        reason: String,
    },
    /// The settings file has a key that is no setting.
    #[error("{} line {line}: '{key}' is no setting{hint}", path.display())]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// The key as it stands there.
        key: String,
        /// What was probably meant.
        hint: String,
    },
    /// A value is not allowed.
    #[error("{name} cannot be {value} ({origin}): it must be {allowed}")]
    Value {
        /// Which setting.
        name: &'static str,
        /// The value, quoted; a secret is hidden.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// What is allowed.
        allowed: String,
    },
    /// Two values do not go together.
    #[error("{smaller} ({smaller_value}) must not be larger than {larger} ({larger_value})")]
    Order {
        /// The setting that has to be smaller.
        smaller: &'static str,
        /// Its value.
        smaller_value: String,
        /// The setting that has to be larger.
        larger: &'static str,
        /// Its value.
        larger_value: String,
    },
}

/// A value as an error may show it: quoted, shortened, on one line, and hidden when it is a secret
/// or could hold a password.
pub(super) fn presentable(text: &str, secret: bool) -> String {
    let credentials = text.contains("://") && text.contains('@');
    if secret || credentials {
        return "the value given (hidden)".to_owned();
    }
    let mut short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    format!("'{short}'")
}
