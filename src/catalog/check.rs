//! An input, held against the row of its model.

use serde_json::{Map, Value};

use crate::job::input::FieldError;
use crate::nearest::nearest;

use super::input::{Input, Media, plain};
use super::model::{Group, Model};
use super::value;

/// How many unknown fields are named, at most: whoever sends a thousand has one problem.
const UNKNOWN_LIMIT: usize = 16;

/// An input that its model takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The input in its normal form: the provider's names, the provider's types, nothing that was
    /// not given but what the provider insists on.
    pub input: Map<String, Value>,
    /// Where files are named in it, in the order of the row. Each is a text that
    /// [`Reference`](super::Reference) reads.
    pub files: Vec<FilePlace>,
}

/// A place in an input that names a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// A JSON pointer (RFC 6901) into [`Checked::input`].
    pub pointer: String,
    /// The families of files that may be there.
    pub media: Vec<Media>,
}

pub(super) fn check(model: &Model, given: &Map<String, Value>) -> Result<Checked, Vec<FieldError>> {
    let mut check = Check { model, given, taken: Vec::new(), errors: Vec::new() };
    check.take();
    let mut values = check.values();
    check.refuse_missing();
    if !check.errors.is_empty() {
        return Err(check.errors);
    }
    for input in &model.inputs {
        if let (Some(value), false) = (&input.when_absent, values.contains_key(&input.name)) {
            values.insert(input.name.clone(), value.clone());
        }
    }
    if let Some(variant) = model.variant(&values) {
        values.retain(|name, _| !variant.without.contains(name));
    }
    Ok(finish(model, values))
}

struct Check<'a> {
    model: &'a Model,
    given: &'a Map<String, Value>,
    /// What was given: the input, and the name that the client used for it.
    taken: Vec<(&'a Input, &'a str)>,
    errors: Vec<FieldError>,
}

impl<'a> Check<'a> {
    fn fail(&mut self, name: &str, detail: String) {
        self.errors.push(FieldError { pointer: pointer(name), detail });
    }

    /// Finds the input of every field.
    fn take(&mut self) {
        let mut unknown = 0;
        for name in self.given.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name) {
            match resolve(self.model, name) {
                Some(input) => self.take_one(input, name),
                None if self.model.ignored.iter().any(|one| plain(one) == plain(name)) => {}
                None => {
                    unknown += 1;
                    if unknown <= UNKNOWN_LIMIT {
                        self.refuse_unknown(name);
                    }
                }
            }
        }
    }

    fn take_one(&mut self, input: &'a Input, name: &'a str) {
        let Some((_, other)) = self.taken.iter().find(|(taken, _)| taken.name == input.name) else {
            self.taken.push((input, name));
            return;
        };
        let (name, other) = if name == input.name { (*other, name) } else { (name, *other) };
        let detail = format!("is another name of '{other}'; give one of the two");
        self.fail(name, detail);
    }

    fn refuse_unknown(&mut self, name: &str) {
        let names = || self.model.inputs.iter().map(|input| input.name.as_str());
        let aliases = self.model.inputs.iter().flat_map(|input| &input.aliases);
        let hint = match nearest(name, names().chain(aliases.map(String::as_str))) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
        };
        let shown: String = name.chars().take(64).collect();
        self.fail(&shown, format!("is not an input of '{}'; {hint}", self.model.slug));
    }

    /// The normal form of every value.
    fn values(&mut self) -> Map<String, Value> {
        let mut values = Map::new();
        for (input, name) in self.taken.clone() {
            let given = &self.given[name];
            let given = input.wrap.as_ref().and_then(|form| unfilled(form, given)).unwrap_or(given);
            match value::normal(input, given) {
                Ok(value) => {
                    values.insert(input.name.clone(), value);
                }
                Err(faults) => {
                    for fault in faults {
                        let item = fault.item.map(|index| format!("/{index}")).unwrap_or_default();
                        let pointer = format!("{}{item}", pointer(name));
                        self.errors.push(FieldError { pointer, detail: fault.detail });
                    }
                }
            }
        }
        values
    }

    fn has(&self, name: &str) -> bool {
        self.taken.iter().any(|(input, _)| input.name == name)
    }

    fn refuse_missing(&mut self) {
        let model = self.model;
        for input in &model.inputs {
            if input.required && !self.has(&input.name) {
                let meaning = self.meaning(input);
                self.fail(&input.name, format!("is required{meaning}"));
            }
            if let Some(needed) = &input.needs
                && self.has(&input.name)
                && !self.has(needed)
            {
                self.fail(needed, format!("is required with '{}'", input.name));
            }
        }
        for group in &model.groups {
            self.refuse_group(group);
        }
    }

    fn meaning(&self, input: &Input) -> String {
        if input.meaning.is_empty() { String::new() } else { format!(": {}", input.meaning) }
    }

    fn refuse_group(&mut self, group: &Group) {
        let given: Vec<_> =
            group.names.iter().filter(|name| self.has(name)).map(String::as_str).collect();
        let names = group.names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>();
        match given[..] {
            [] => {
                let first = group.names.first().map_or("", String::as_str);
                self.fail(first, format!("is required, or another of {}", names.join(", ")));
            }
            [_, second, ..] if group.exactly_one => {
                let detail = format!("is one too many: give exactly one of {}", names.join(", "));
                self.fail(second, detail);
            }
            [..] => {}
        }
    }
}

/// The input that a client means: by its name, else by another name or spelling of it.
fn resolve<'a>(model: &'a Model, name: &str) -> Option<&'a Input> {
    model.input(name).or_else(|| model.inputs.iter().find(|input| input.is_called(name)))
}

/// Wraps values and notes where their files are.
fn finish(model: &Model, mut values: Map<String, Value>) -> Checked {
    let mut files = Vec::new();
    for input in &model.inputs {
        let Some(value) = values.get_mut(&input.name) else { continue };
        let mut place = pointer(&input.name);
        let own = std::mem::take(value);
        let count = own.as_array().map(Vec::len);
        *value = match &input.wrap {
            Some(form) => {
                place.push_str(&hole(form).unwrap_or_default());
                filled(form, &own)
            }
            None => own,
        };
        let media = input.kind.media();
        if media.is_empty() {
            continue;
        }
        let pointers = match count {
            Some(count) => (0..count).map(|index| format!("{place}/{index}")).collect(),
            None => vec![place],
        };
        let places = pointers.into_iter();
        files.extend(places.map(|pointer| FilePlace { pointer, media: media.to_vec() }));
    }
    Checked { input: values, files }
}

/// What stands for the value in the form around it.
const HOLE: &str = "$";

/// The form with the value in it.
fn filled(form: &Value, value: &Value) -> Value {
    match form {
        Value::String(text) if text == HOLE => value.clone(),
        Value::Array(items) => items.iter().map(|item| filled(item, value)).collect(),
        Value::Object(object) => {
            object.iter().map(|(name, item)| (name.clone(), filled(item, value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => form.clone(),
    }
}

/// The value in the form, where a client gave it in the provider's form, or in our own normal form
/// for a second time.
fn unfilled<'a>(form: &Value, given: &'a Value) -> Option<&'a Value> {
    let value = given.pointer(&hole(form)?)?;
    (filled(form, value) == *given).then_some(value)
}

/// The JSON pointer of the value in the form.
pub(super) fn hole(form: &Value) -> Option<String> {
    match form {
        Value::String(text) => (text == HOLE).then(String::new),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| Some(format!("/{index}{}", hole(item)?))),
        Value::Object(object) => {
            object.iter().find_map(|(name, item)| Some(format!("{}{}", pointer(name), hole(item)?)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The JSON pointer of a field (RFC 6901).
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}
