//! The settings file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::nearest::nearest;

use super::error::{ConfigError, presentable};
use super::report::Origin;
use super::settings::{Setting, TABLE};

/// The values in a settings file by the names of their settings: text and line.
pub(super) type Values = BTreeMap<&'static str, (String, usize)>;

/// Reads a settings file; a file that nobody asked for may be missing.
pub(super) fn read(path: &Path, required: bool) -> Result<Values, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => Ok(Values::new()),
        Err(error) => Err(ConfigError::File { path: path.to_owned(), reason: reason(&error) }),
    }
}

/// What a person can act on; the system's words where it has none of these.
fn reason(error: &io::Error) -> String {
    let words = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file",
        io::ErrorKind::IsADirectory => "it is a folder",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::InvalidData => "it is not UTF-8",
        _ => return error.to_string(),
    };
    words.to_owned()
}

fn parse(path: &Path, text: &str) -> Result<Values, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        reason: error.message().replace('\n', ", "),
    })?;
    let mut values = Values::new();
    for (key, value) in table.get_ref() {
        let line = line_of(text, key.span().start);
        let setting = TABLE
            .iter()
            .find(|setting| setting.name == key.get_ref().as_ref())
            .ok_or_else(|| unknown(path, line, key.get_ref(), value.get_ref()))?;
        let text =
            plain(value.get_ref()).ok_or_else(|| no_text(path, line, setting, value.get_ref()))?;
        values.insert(setting.name, (text, line));
    }
    Ok(values)
}

/// The value as text, as a flag would hold it; none for lists, tables and dates.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(switch) => Some(switch.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn unknown(path: &Path, line: usize, key: &str, value: &DeValue<'_>) -> ConfigError {
    let hint = match (nearest(key, TABLE.iter().map(|setting| setting.name)), value) {
        (Some(meant), _) => format!("; did you mean '{meant}'?"),
        (None, DeValue::Table(_)) => "; settings are not grouped in tables".to_owned(),
        (None, _) => "; `tailwater config` lists all of them".to_owned(),
    };
    let key = presentable(key, false).trim_matches('\'').to_owned();
    ConfigError::UnknownKey { path: path.to_owned(), line, key, hint }
}

fn no_text(path: &Path, line: usize, setting: &Setting, value: &DeValue<'_>) -> ConfigError {
    ConfigError::Value {
        name: setting.name,
        value: format!("of type {}", value.type_str()),
        origin: Origin::File { path: path.to_owned(), line },
        allowed: (setting.form)().allowed,
    }
}

/// The line, from 1, that the byte stands in.
fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Result<Values, String> {
        parse(Path::new("tailwater.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_plain_type_of_toml_is_text_of_a_setting() {
        let text =
            "listen = '[::1]:80'\nworkers = 1_0\nsimulator_speed = 2.5\n# x\nsimulator = false";
        let values = values(text).unwrap();
        assert_eq!(values["workers"], ("10".to_owned(), 2));
        assert_eq!(values["simulator_speed"], ("2.5".to_owned(), 3));
        assert_eq!(values["simulator"], ("false".to_owned(), 5));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_was_meant() {
        assert_eq!(
            values("\nwrokers = 3").unwrap_err(),
            "tailwater.toml line 2: 'wrokers' is no setting; did you mean 'workers'?"
        );
        assert_eq!(
            values("[server]\nlisten = 3").unwrap_err(),
            "tailwater.toml line 1: 'server' is no setting; settings are not grouped in tables"
        );
        assert_eq!(
            values("\"a\\nb\" = 3").unwrap_err(),
            "tailwater.toml line 1: 'a\\nb' is no setting; `tailwater config` lists all of them"
        );
    }

    #[test]
    fn what_is_not_toml_is_one_sentence_with_its_line() {
        for text in ["workers = 1\nworkers 3", "workers = 1\nworkers = 2", "workers = 1\n\"x = 3"] {
            let error = values(text).unwrap_err();
            assert!(error.starts_with("tailwater.toml line 2 is not valid TOML: "), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_list_is_no_value() {
        let error = values("workers = [1]").unwrap_err();
        assert_eq!(
            error,
            "workers cannot be of type array (tailwater.toml line 1): \
             it must be a whole number from 0 to 1000"
        );
    }
}
