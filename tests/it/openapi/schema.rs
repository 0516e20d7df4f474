//! Whether a value fits a schema: as much of JSON Schema 2020-12 as the document has.
//!
//! A keyword that is not known here fails the test, so that none is passed over. Patterns are: what
//! they are about is in requests.

use serde_json::{Map, Value};

/// Keywords that say nothing about whether a value fits, and patterns.
const PASSED_OVER: [&str; 8] = [
    "description",
    "examples",
    "format",
    "title",
    "default",
    "pattern",
    "contentMediaType",
    "contentSchema",
];

/// Everything that is wrong with a value, each with its place.
pub fn wrong(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    Check { document, wrong: &mut wrong }.schema("", schema, value);
    wrong
}

struct Check<'a> {
    document: &'a Value,
    wrong: &'a mut Vec<String>,
}

impl Check<'_> {
    fn expect(&mut self, holds: bool, at: &str, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(format!("{at}: {}", what()));
        }
    }

    fn schema(&mut self, at: &str, schema: &Value, value: &Value) {
        let members = schema.as_object().expect("a schema");
        for (keyword, rule) in members {
            match keyword.as_str() {
                "$ref" => self.reference(at, rule, value),
                "type" => self.expect(is_of(rule, value), at, || format!("no {rule}: {value}")),
                "enum" => {
                    let allowed = rule.as_array().expect("values");
                    self.expect(allowed.contains(value), at, || format!("none of {rule}: {value}"));
                }
                "properties" => self.properties(at, rule.as_object().expect("fields"), value),
                "required" => {
                    for name in rule.as_array().expect("names") {
                        let name = name.as_str().expect("a name");
                        let is_there = value.as_object().is_none_or(|map| map.contains_key(name));
                        self.expect(is_there, at, || format!("'{name}' is missing"));
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.schema(&format!("{at}/{index}"), rule, item);
                    }
                }
                "allOf" => {
                    for part in rule.as_array().expect("schemas") {
                        self.schema(at, part, value);
                    }
                }
                "oneOf" | "anyOf" => {
                    let parts = rule.as_array().expect("schemas").iter();
                    let fits = |part: &&Value| wrong(self.document, part, value).is_empty();
                    let count = parts.filter(fits).count();
                    let holds = if keyword == "oneOf" { count == 1 } else { count > 0 };
                    self.expect(holds, at, || format!("{count} of {keyword} fit {value}"));
                }
                "minimum" => self.bound(at, value, rule, |value, rule| value >= rule),
                "maximum" => self.bound(at, value, rule, |value, rule| value <= rule),
                "propertyNames" | "additionalProperties" => {}
                known if PASSED_OVER.contains(&known) => {}
                other => panic!("{at}: this test does not know the keyword '{other}'"),
            }
        }
    }

    fn reference(&mut self, at: &str, place: &Value, value: &Value) {
        let pointer = place.as_str().and_then(|place| place.strip_prefix('#'));
        let schema = self.document.pointer(pointer.expect("within the document"));
        self.schema(at, schema.expect("it is there"), value);
    }

    fn properties(&mut self, at: &str, fields: &Map<String, Value>, value: &Value) {
        for (name, schema) in fields {
            if let Some(value) = value.get(name) {
                self.schema(&format!("{at}/{name}"), schema, value);
            }
        }
    }

    fn bound(&mut self, at: &str, value: &Value, rule: &Value, holds: fn(f64, f64) -> bool) {
        let (Some(number), Some(limit)) = (value.as_f64(), rule.as_f64()) else { return };
        self.expect(holds(number, limit), at, || format!("{value} is beyond {rule}"));
    }
}

/// Whether a value is of a type, or of one of several.
fn is_of(rule: &Value, value: &Value) -> bool {
    match rule.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some(other) => panic!("'{other}' is no type"),
        None => rule.as_array().expect("types").iter().any(|rule| is_of(rule, value)),
    }
}
