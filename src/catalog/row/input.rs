//! The inputs of a row, read.

use serde_json::Value as Json;
use toml::Value;

use crate::catalog::check::hole;
use crate::catalog::error::CatalogError;
use crate::catalog::fields::Fields;
use crate::catalog::input::{Input, InputType, Media, plain};
use crate::catalog::value;

use super::known;

const INPUT: &[&str] = &[
    "name",
    "type",
    "media",
    "required",
    "meaning",
    "allowed",
    "default",
    "when_absent",
    "min",
    "max",
    "multiple_of",
    "min_length",
    "max_length",
    "min_items",
    "max_items",
    "aliases",
    "needs",
    "wrap",
];

/// Reads the inputs of a row.
pub(super) fn inputs(fields: &Fields<'_>) -> Result<Vec<Input>, CatalogError> {
    let mut inputs: Vec<Input> = Vec::new();
    for table in fields.tables("inputs")? {
        let name = table.get("name").and_then(Value::as_str).unwrap_or_default();
        let place = format!("{}, input '{name}'", fields.place);
        let own = Fields::new(place, table, INPUT)?;
        let input = input(&own)?;
        let names = [std::slice::from_ref(&input.name), input.aliases.as_slice()].concat();
        for name in &names {
            if inputs.iter().any(|other| other.is_called(name)) {
                let key = if *name == input.name { "name" } else { "aliases" };
                return Err(own.wrong(key, "names that no other input of the model has"));
            }
        }
        inputs.push(input);
    }
    let needs = inputs.iter().filter_map(|input| input.needs.as_ref());
    known(fields, "inputs", &inputs, needs)?;
    Ok(inputs)
}

fn input(fields: &Fields<'_>) -> Result<Input, CatalogError> {
    let input = Input {
        name: fields.need("name", "the provider's name for the input")?.to_owned(),
        kind: kind(fields)?,
        required: fields.flag("required", false)?,
        meaning: fields.owned("meaning")?.unwrap_or_default(),
        allowed: fields.jsons("allowed")?,
        default: fields.json("default")?,
        when_absent: fields.json("when_absent")?,
        min: fields.number("min")?,
        max: fields.number("max")?,
        multiple_of: fields.count("multiple_of")?.map(i64::from),
        min_length: fields.size("min_length")?,
        max_length: fields.size("max_length")?,
        min_items: fields.size("min_items")?,
        max_items: fields.size("max_items")?,
        aliases: fields.texts("aliases")?,
        needs: fields.owned("needs")?,
        wrap: fields.json("wrap")?,
    };
    consistent(fields, &input)?;
    Ok(input)
}

/// Refuses what contradicts itself.
fn consistent(fields: &Fields<'_>, input: &Input) -> Result<(), CatalogError> {
    if plain(&input.name).is_empty() {
        return Err(fields.wrong("name", "a name with letters or digits"));
    }
    let listed = match &input.kind {
        InputType::Text | InputType::Texts => input.allowed.iter().all(Json::is_string),
        InputType::Integer => input.allowed.iter().all(Json::is_i64),
        InputType::Number
        | InputType::Boolean
        | InputType::Uri(_)
        | InputType::Uris(_)
        | InputType::Object => input.allowed.is_empty(),
    };
    if !listed {
        return Err(fields.wrong("allowed", "a list of texts or whole numbers, as the type is"));
    }
    if input.wrap.as_ref().is_some_and(|form| hole(form).is_none()) {
        return Err(fields.wrong("wrap", "a form with the text '$' in it"));
    }
    for (key, value) in [("default", &input.default), ("when_absent", &input.when_absent)] {
        let Some(own) = value else { continue };
        // An empty text is what some providers take when nothing is given.
        let empty = own.as_str() == Some("");
        if !empty && value::normal(input, own).ok().as_ref() != Some(own) {
            return Err(fields.wrong(key, "a value that the input itself may have"));
        }
    }
    Ok(())
}

fn kind(fields: &Fields<'_>) -> Result<InputType, CatalogError> {
    let words = fields.texts("media")?;
    let media: Option<Vec<Media>> = words.iter().map(|word| Media::of(word)).collect();
    let media = media.ok_or_else(|| fields.wrong("media", "of image, video and audio"))?;
    let allowed = format!("one of {}", InputType::WORDS.join(", "));
    let word = fields.need("type", &allowed)?;
    let kind = InputType::of(word, media.clone()).ok_or_else(|| fields.wrong("type", allowed))?;
    if matches!(kind, InputType::Uri(_) | InputType::Uris(_)) == media.is_empty() {
        return Err(fields.wrong("media", "of image, video and audio, for files and only for them"));
    }
    Ok(kind)
}
