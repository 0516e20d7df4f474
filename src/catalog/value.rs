//! One value of an input: whether it is allowed, and its normal form.
//!
//! Types are strict, with the kindness that leaves no doubt: providers write the same five seconds
//! as `5`, `"5"` and `"5s"`, and a client need not know which of them does what.

use serde_json::{Number, Value};

use crate::nearest::nearest;

use super::input::{Input, InputType, Media, TEXT_LIMIT};
use super::uri::{self, Reference};

/// Something wrong with a value.
#[derive(Debug)]
pub(super) struct Fault {
    /// Which item of a list, from 0; none for the value itself.
    pub(super) item: Option<usize>,
    /// What is wrong, to follow the name of the field.
    pub(super) detail: String,
}

impl From<String> for Fault {
    fn from(detail: String) -> Self {
        Self { item: None, detail }
    }
}

/// The value as the provider wants it.
pub(super) fn normal(input: &Input, value: &Value) -> Result<Value, Vec<Fault>> {
    let one = |normal: Result<Value, String>| normal.map_err(|detail| vec![Fault::from(detail)]);
    match &input.kind {
        InputType::Text => one(text(input, value)),
        InputType::Integer => one(integer(input, value)),
        InputType::Number => one(number(input, value)),
        InputType::Boolean => one(boolean(value)),
        InputType::Uri(media) => one(file(media, value)),
        InputType::Texts => list(input, value, |item| text(input, item)),
        InputType::Uris(media) => list(input, value, |item| file(media, item)),
        InputType::Object => one(object(value)),
    }
}

fn text(input: &Input, value: &Value) -> Result<Value, String> {
    if !input.allowed.is_empty() {
        return among(input, value);
    }
    let Value::String(text) = value else {
        return Err(format!("must be a text, not {}", type_name(value)));
    };
    let count = text.chars().count();
    let least = input.min_length.unwrap_or(usize::from(input.required));
    let most = input.max_length.unwrap_or(TEXT_LIMIT);
    if !(least..=most).contains(&count) {
        return Err(format!("must have {least} to {most} characters, not {count}"));
    }
    if least > 0 && text.trim().is_empty() {
        return Err("must not be blank".into());
    }
    if let Some(control) = text.chars().find(|one| one.is_control() && !"\n\r\t".contains(*one)) {
        let code = u32::from(control);
        return Err(format!("must not contain the control character U+{code:04X}"));
    }
    Ok(value.clone())
}

/// The allowed value that is meant.
fn among(input: &Input, value: &Value) -> Result<Value, String> {
    let refused = |hint: String| {
        Err(format!("must be {}, not {}{hint}", one_of(&input.allowed), shown(value)))
    };
    let given = match value {
        Value::String(text) => text.trim().to_lowercase(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return refused(String::new());
        }
    };
    let words = || input.allowed.iter().filter_map(Value::as_str);
    if let Some(exact) = words().find(|word| value.as_str() == Some(*word)) {
        return Ok(exact.into());
    }
    match words().find(|word| same(&word.to_lowercase(), &given)) {
        Some(meant) => Ok(meant.into()),
        None => {
            let nearest = value.as_str().and_then(|given| nearest(given, words()));
            refused(nearest.map(|meant| format!("; did you mean '{meant}'?")).unwrap_or_default())
        }
    }
}

/// Whether two texts are the same but for a unit that one of them leaves out: `8` and `8s`, `720`
/// and `720p`.
fn same(one: &str, other: &str) -> bool {
    let bare = |long: &str, short: &str| {
        !short.is_empty()
            && short.bytes().all(|byte| byte.is_ascii_digit())
            && long.strip_prefix(short).is_some_and(|unit| matches!(unit, "s" | "p"))
    };
    one == other || bare(one, other) || bare(other, one)
}

fn integer(input: &Input, value: &Value) -> Result<Value, String> {
    let refused = || Err(format!("must be {}, not {}", whole_numbers(input), shown(value)));
    let Some(whole) = whole(value, input.name == "duration") else { return refused() };
    if !input.allowed.is_empty() {
        let listed = input.allowed.iter().any(|allowed| allowed.as_i64() == Some(whole));
        return if listed { Ok(whole.into()) } else { refused() };
    }
    let step = input.multiple_of.unwrap_or(1);
    if !in_range(input, whole_as_float(whole)) || whole % step != 0 {
        return refused();
    }
    Ok(whole.into())
}

/// A whole number, also as `5.0`, as text, and with its unit where it is a time in seconds.
fn whole(value: &Value, seconds: bool) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
            format!("{float:.0}").parse().ok()
        }),
        Value::String(text) => {
            let text = text.trim();
            let bare = text.strip_suffix('s').filter(|_| seconds).unwrap_or(text);
            bare.parse().ok()
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "ranges of whole numbers are below 2^53")]
fn whole_as_float(whole: i64) -> f64 {
    whole as f64
}

fn number(input: &Input, value: &Value) -> Result<Value, String> {
    let given = match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => text.trim().parse::<Number>().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let float = given.as_ref().and_then(Number::as_f64).filter(|float| float.is_finite());
    match (given, float) {
        (Some(number), Some(float)) if in_range(input, float) => Ok(Value::Number(number)),
        _ => Err(format!("must be {}, not {}", ranged("a number", input), shown(value))),
    }
}

fn in_range(input: &Input, number: f64) -> bool {
    input.min.is_none_or(|min| number >= min) && input.max.is_none_or(|max| number <= max)
}

fn whole_numbers(input: &Input) -> String {
    if !input.allowed.is_empty() {
        return one_of(&input.allowed);
    }
    let step = input.multiple_of.map(|step| format!(" that is a multiple of {step}"));
    format!("{}{}", ranged("a whole number", input), step.unwrap_or_default())
}

fn ranged(what: &str, input: &Input) -> String {
    match (input.min, input.max) {
        (Some(min), Some(max)) => format!("{what} from {min} to {max}"),
        (Some(min), None) => format!("{what} of at least {min}"),
        (None, Some(max)) => format!("{what} of at most {max}"),
        (None, None) => what.to_owned(),
    }
}

fn boolean(value: &Value) -> Result<Value, String> {
    let meant = value.as_bool().or_else(|| value.as_str()?.parse().ok());
    meant.map(Value::Bool).ok_or_else(|| format!("must be true or false, not {}", shown(value)))
}

fn file(media: &[Media], value: &Value) -> Result<Value, String> {
    let Value::String(text) = value else {
        return Err(format!("must be {}, not {}", uri::ALLOWED, type_name(value)));
    };
    let reference = Reference::parse(text)?;
    if let Reference::Data { media_type } = &reference
        && !reference.media().is_some_and(|given| media.contains(&given))
    {
        let families: Vec<_> = media.iter().map(|media| media.as_str()).collect();
        let (families, given) = (families.join(" or "), shown(&media_type.as_str().into()));
        return Err(format!("must be a file of type {families}, not {given}"));
    }
    Ok(value.clone())
}

fn list(
    input: &Input,
    value: &Value,
    one: impl Fn(&Value) -> Result<Value, String>,
) -> Result<Value, Vec<Fault>> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        // One text is a list of one: nothing else can be meant.
        Value::String(_) => std::slice::from_ref(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(vec![format!("must be a list, not {}", type_name(value)).into()]);
        }
    };
    let least = input.min_items.unwrap_or(usize::from(input.required));
    let most = input.max_items.unwrap_or(100);
    if !(least..=most).contains(&items.len()) {
        let count = items.len();
        return Err(vec![format!("must have {least} to {most} items, not {count}").into()]);
    }
    let (mut normal, mut faults) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match one(item) {
            Ok(item) => normal.push(item),
            Err(detail) => faults.push(Fault { item: Some(index), detail }),
        }
    }
    if faults.is_empty() { Ok(Value::Array(normal)) } else { Err(faults) }
}

fn object(value: &Value) -> Result<Value, String> {
    if !value.is_object() {
        return Err(format!("must be an object, not {}", type_name(value)));
    }
    Ok(value.clone())
}

/// "5, 8 or 10".
pub(super) fn one_of(allowed: &[Value]) -> String {
    let words: Vec<String> = allowed.iter().map(bare).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("'{text}'"))
}

/// A value as an error may show it: a file in base64 is not repeated to whoever sent it.
fn shown(value: &Value) -> String {
    let text = bare(value);
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
