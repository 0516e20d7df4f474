//! Reading the fields of an input, with everything that is wrong with them.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::FieldError;

/// Reads fields of an object and remembers everything that is wrong.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, known: Vec::new(), errors: Vec::new() }
    }

    /// Whether the field is there at all, right or wrong.
    pub(super) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Notes what is wrong with a field.
    pub(super) fn fail(&mut self, name: &str, detail: String) {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        self.fail_at(pointer, detail);
    }

    /// Notes what is wrong at a JSON pointer.
    pub(super) fn fail_at(&mut self, pointer: String, detail: String) {
        self.errors.push(FieldError { pointer, detail });
    }

    pub(super) fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(
        &mut self,
        name: &'static str,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let value = self.value(name)?;
        let Value::String(text) = value else {
            self.fail(name, format!("must be a text, not {}", type_name(value)));
            return None;
        };
        let text = text.trim().to_owned();
        let count = text.chars().count();
        if !length.contains(&count) {
            let (least, most) = (length.start(), length.end());
            self.fail(name, format!("must have {least} to {most} characters, not {count}"));
            return None;
        }
        let control = text.chars().find(|one| one.is_control() && !"\n\r\t".contains(*one));
        if let Some(control) = control {
            let code = u32::from(control);
            self.fail(name, format!("must not contain the control character U+{code:04X}"));
            return None;
        }
        Some(text)
    }

    pub(super) fn number(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(name)?;
        let number = value.as_u64().filter(|number| range.contains(number));
        if number.is_none() {
            let shown: String = value.to_string().chars().take(40).collect();
            let (least, most) = (range.start(), range.end());
            self.fail(name, format!("must be a whole number from {least} to {most}, not {shown}"));
        }
        number
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        let value = self.value(name)?;
        if !value.is_boolean() {
            self.fail(name, format!("must be true or false, not {}", type_name(value)));
        }
        value.as_bool()
    }

    pub(super) fn language(&mut self) -> String {
        let tag = self.word("language", 35, "a language tag such as 'en' or 'pt-BR'");
        tag.unwrap_or_else(|| "en".into())
    }

    pub(super) fn voice(&mut self) -> Option<String> {
        self.word("voice", 64, "the name of a voice such as 'alloy'")
    }

    fn word(&mut self, name: &'static str, most: usize, what: &str) -> Option<String> {
        let text = self.text(name, 1..=most)?;
        if !text.chars().all(|one| one.is_ascii_alphanumeric() || "-_.".contains(one)) {
            self.fail(name, format!("must be {what}, not '{text}'"));
            return None;
        }
        Some(text)
    }

    /// Refuses fields that were not asked for.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(super) fn finish(mut self) -> Result<(), Vec<FieldError>> {
        self.refuse_unknown();
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }

    fn refuse_unknown(&mut self) {
        let object = self.object;
        for name in object.keys().filter(|name| !self.known.contains(&name.as_str())).take(16) {
            let shown: String = name.chars().take(64).collect();
            let known = self.known.join(", ");
            self.errors.push(FieldError {
                pointer: format!("/{}", shown.replace('~', "~0").replace('/', "~1")),
                detail: format!("is not a field of this kind; it has {known}"),
            });
        }
    }
}

/// What a JSON value is, in words.
pub(super) const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
