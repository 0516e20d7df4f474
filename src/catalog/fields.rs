//! A table of the catalog's file, read key by key.

use std::time::Duration;

use serde_json::Value as Json;
use toml::{Table, Value};

use crate::nearest::nearest;

use super::error::CatalogError;

/// A table, and what it is called in errors.
pub(super) struct Fields<'a> {
    pub(super) place: String,
    pub(super) table: &'a Table,
}

/// The longest list of keys that an error names.
const KEYS_SHOWN: usize = 30;

impl<'a> Fields<'a> {
    /// Refuses keys that mean nothing.
    pub(super) fn new(
        place: impl Into<String>,
        table: &'a Table,
        known: &[&str],
    ) -> Result<Self, CatalogError> {
        let place = place.into();
        if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
            let hint = match nearest(key, known.iter().copied()) {
                Some(meant) => format!("; did you mean '{meant}'?"),
                None if known.len() <= KEYS_SHOWN => format!("; it has {}", known.join(", ")),
                None => String::new(),
            };
            return Err(CatalogError::UnknownKey { place, key: short(key), hint });
        }
        Ok(Self { place, table })
    }

    /// The value of this key is not allowed.
    pub(super) fn wrong(&self, key: &str, allowed: impl Into<String>) -> CatalogError {
        let (place, key, allowed) = (self.place.clone(), key.to_owned(), allowed.into());
        match self.table.get(&key) {
            Some(value) => CatalogError::Value { place, key, value: shown(value), allowed },
            None => CatalogError::Missing { place, key, allowed },
        }
    }

    fn read<T>(
        &self,
        key: &str,
        allowed: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, CatalogError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.wrong(key, allowed))
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, CatalogError> {
        let text = self.read(key, "a text that is not empty", Value::as_str)?;
        match text {
            Some("") => Err(self.wrong(key, "a text that is not empty")),
            Some(_) | None => Ok(text),
        }
    }

    pub(super) fn owned(&self, key: &str) -> Result<Option<String>, CatalogError> {
        Ok(self.text(key)?.map(str::to_owned))
    }

    pub(super) fn need(&self, key: &str, allowed: &str) -> Result<&'a str, CatalogError> {
        self.text(key)?.ok_or_else(|| self.wrong(key, allowed))
    }

    pub(super) fn flag(&self, key: &str, absent: bool) -> Result<bool, CatalogError> {
        Ok(self.read(key, "true or false", Value::as_bool)?.unwrap_or(absent))
    }

    /// A whole number from 1 up.
    pub(super) fn count(&self, key: &str) -> Result<Option<u32>, CatalogError> {
        let count = |value: &Value| value.as_integer()?.try_into().ok().filter(|count| *count > 0);
        self.read(key, "a whole number from 1 up", count)
    }

    /// A whole number from 0 up.
    pub(super) fn size(&self, key: &str) -> Result<Option<usize>, CatalogError> {
        self.read(key, "a whole number from 0 up", |value| value.as_integer()?.try_into().ok())
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, CatalogError> {
        self.read(key, "a number", |value| match value {
            // Exact up to 2^53, and no model has larger bounds.
            Value::Integer(number) => number.to_string().parse().ok(),
            Value::Float(number) => Some(*number).filter(|number| number.is_finite()),
            Value::String(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_)
            | Value::Table(_) => None,
        })
    }

    /// A list of texts; a text alone is a list of one.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, CatalogError> {
        let texts = self.read(key, "a text or a list of texts", texts)?;
        Ok(texts.unwrap_or_default())
    }

    pub(super) fn lists(&self, key: &str) -> Result<Vec<Vec<String>>, CatalogError> {
        let lists = self.read(key, "a list of lists of texts", |value| {
            value.as_array()?.iter().map(texts).collect()
        })?;
        Ok(lists.unwrap_or_default())
    }

    pub(super) fn table(&self, key: &str) -> Result<Option<&'a Table>, CatalogError> {
        self.read(key, "a table", Value::as_table)
    }

    pub(super) fn tables(&self, key: &str) -> Result<Vec<&'a Table>, CatalogError> {
        let tables = self.read(key, "a list of tables", |value| {
            value.as_array()?.iter().map(Value::as_table).collect()
        })?;
        Ok(tables.unwrap_or_default())
    }

    /// A time such as `500ms`, `5s` or `10m`.
    pub(super) fn time(&self, key: &str) -> Result<Option<Duration>, CatalogError> {
        self.read(key, "a time such as '500ms', '5s' or '10m'", |value| time(value.as_str()?))
    }

    /// Any value, as JSON.
    pub(super) fn json(&self, key: &str) -> Result<Option<Json>, CatalogError> {
        self.read(key, "a value that JSON has, thus no date", json)
    }

    /// A list of any values, as JSON.
    pub(super) fn jsons(&self, key: &str) -> Result<Vec<Json>, CatalogError> {
        let values = self.read(key, "a list of values that are not dates", |value| {
            value.as_array()?.iter().map(json).collect()
        })?;
        Ok(values.unwrap_or_default())
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    if let Some(text) = value.as_str() {
        return Some(vec![text.to_owned()]);
    }
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn time(text: &str) -> Option<Duration> {
    let end = text.find(|one: char| !one.is_ascii_digit())?;
    let number: u64 = text[..end].parse().ok()?;
    match &text[end..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

fn json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => serde_json::Number::from_f64(*number)?.into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Datetime(_) => return None,
        Value::Array(items) => items.iter().map(json).collect::<Option<Vec<_>>>()?.into(),
        Value::Table(table) => {
            let fields = table.iter().map(|(key, value)| Some((key.clone(), json(value)?)));
            Json::Object(fields.collect::<Option<_>>()?)
        }
    })
}

/// A value as an error may show it: on one line, shortened.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", short(text)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            short(&value.to_string())
        }
        Value::Array(_) => format!("the list {}", short(&value.to_string())),
        Value::Table(_) => "a table".to_owned(),
    }
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}
