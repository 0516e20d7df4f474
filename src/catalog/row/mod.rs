//! A row of the catalog's file, read.

mod input;
mod price;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use super::error::CatalogError;
use super::fields::Fields;
use super::file::polling;
use super::input::{Input, Media};
use super::model::{Group, Mode, Model, Provider, Retired, Variant};
use super::place::OutputPath;

const ROW: &[&str] = &[
    "slug",
    "title",
    "provider",
    "upstream",
    "endpoint",
    "mode",
    "inputs",
    "one_of",
    "any_of",
    "output",
    "media_type",
    "cost",
    "time_limit",
    "polling",
    "concurrency",
    "confirmed",
    "notes",
    "retired",
    "variants",
    "aliases",
    "ignored",
    "example",
    "route",
];

/// Reads a row.
pub(super) fn read(
    table: &Table,
    providers: &BTreeMap<String, Arc<Provider>>,
    ignored: &[String],
) -> Result<Model, CatalogError> {
    let slug = table.get("slug").and_then(Value::as_str).unwrap_or_default();
    let fields = Fields::new(format!("model '{slug}'"), table, ROW)?;
    let slug = slug_of(&fields)?;
    let provider = provider(&fields, providers)?;
    let inputs = input::inputs(&fields)?;
    let model = Model {
        slug,
        title: fields.need("title", "what people call the model")?.to_owned(),
        provider: provider.name.clone(),
        upstream: fields.need("upstream", "the provider's name for the model")?.to_owned(),
        endpoint: endpoint(&fields, &provider.name)?,
        modes: modes(&fields)?,
        groups: groups(&fields, &inputs)?,
        output: output(&fields)?,
        media_type: media_type(&fields)?,
        pricing: price::pricing(&fields, &inputs)?,
        time_limit: fields.time("time_limit")?.unwrap_or(provider.time_limit),
        polling: polling(&fields)?.unwrap_or(provider.polling),
        concurrency: fields.count("concurrency")?,
        confirmed: fields.flag("confirmed", true)?,
        notes: fields.owned("notes")?,
        retired: retired(&fields)?,
        variants: variants(&fields, &inputs)?,
        aliases: fields.texts("aliases")?,
        ignored: [fields.texts("ignored")?, ignored.to_vec()].concat(),
        example: example(&fields)?,
        own_route: route(&fields)?,
        inputs,
    };
    try_example(&model)?;
    Ok(model)
}

fn slug_of(fields: &Fields<'_>) -> Result<String, CatalogError> {
    let allowed = "letters, digits, '-', '_' and '.' in parts with '/' between them, at most 100";
    let slug = fields.need("slug", allowed)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let part =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain);
    if slug.len() > 100 || !slug.split('/').all(part) {
        return Err(fields.wrong("slug", allowed));
    }
    Ok(slug.to_owned())
}

fn provider<'a>(
    fields: &Fields<'_>,
    providers: &'a BTreeMap<String, Arc<Provider>>,
) -> Result<&'a Arc<Provider>, CatalogError> {
    let names: Vec<_> = providers.keys().map(String::as_str).collect();
    let allowed = format!("one of {}", names.join(", "));
    let name = fields.need("provider", &allowed)?;
    providers.get(name).ok_or_else(|| fields.wrong("provider", allowed))
}

fn endpoint(fields: &Fields<'_>, provider: &str) -> Result<String, CatalogError> {
    let endpoints: &[&str] = match provider {
        "runway" => &["image_to_video", "text_to_video", "video_to_video", "character_performance"],
        "minimax" => &["v1", "v2"],
        _ => &[],
    };
    match fields.text("endpoint")? {
        None if endpoints.is_empty() => Ok(String::new()),
        Some(endpoint) if endpoints.contains(&endpoint) => Ok(endpoint.to_owned()),
        Some(_) if endpoints.is_empty() => {
            Err(fields
                .wrong("endpoint", format!("absent: {provider} has one route for all models")))
        }
        Some(_) | None => Err(fields.wrong("endpoint", format!("one of {}", endpoints.join(", ")))),
    }
}

fn modes(fields: &Fields<'_>) -> Result<Vec<Mode>, CatalogError> {
    let words: Vec<_> = Mode::ALL.iter().map(|mode| mode.as_str()).collect();
    let allowed = || format!("one or several of {}", words.join(", "));
    let modes: Option<Vec<Mode>> =
        fields.texts("mode")?.iter().map(|word| Mode::of(word)).collect();
    let modes = modes.filter(|modes| !modes.is_empty());
    let modes = modes.ok_or_else(|| fields.wrong("mode", allowed()))?;
    if modes.iter().any(|mode| mode.kind() != modes[0].kind()) {
        return Err(fields.wrong("mode", "modes that make the same kind of file"));
    }
    Ok(modes)
}

fn output(fields: &Fields<'_>) -> Result<OutputPath, CatalogError> {
    let allowed = "a path such as 'output', 'video.url' or 'images[].url'";
    OutputPath::parse(fields.need("output", allowed)?)
        .ok_or_else(|| fields.wrong("output", allowed))
}

fn media_type(fields: &Fields<'_>) -> Result<String, CatalogError> {
    let allowed = "a media type such as 'video/mp4'";
    let media_type = fields.need("media_type", allowed)?;
    let known = media_type.split_once('/').is_some_and(|(_, sort)| !sort.is_empty());
    if !known || Media::of_type(media_type).is_none() {
        return Err(fields.wrong("media_type", allowed));
    }
    Ok(media_type.to_owned())
}

fn route(fields: &Fields<'_>) -> Result<Option<String>, CatalogError> {
    let route = fields.owned("route")?;
    match &route {
        Some(path) if !path.starts_with("/api/") => {
            Err(fields.wrong("route", "a path that starts with '/api/'"))
        }
        Some(_) | None => Ok(route),
    }
}

fn retired(fields: &Fields<'_>) -> Result<Option<Retired>, CatalogError> {
    let Some(table) = fields.table("retired")? else { return Ok(None) };
    let place = format!("{}, retired", fields.place);
    let fields = Fields::new(place, table, &["since", "successor", "reason", "refused"])?;
    Ok(Some(Retired {
        since: fields.owned("since")?,
        successor: fields.owned("successor")?,
        reason: fields.need("reason", "why the model comes to its end")?.to_owned(),
        refused: fields.flag("refused", true)?,
    }))
}

fn variants(fields: &Fields<'_>, inputs: &[Input]) -> Result<Vec<Variant>, CatalogError> {
    let mut variants = Vec::new();
    for table in fields.tables("variants")? {
        let place = format!("{}, variants", fields.place);
        let fields = Fields::new(place, table, &["when", "upstream", "without"])?;
        let variant = Variant {
            when: fields.need("when", "the name of an input")?.to_owned(),
            upstream: fields.need("upstream", "the provider's name for the model")?.to_owned(),
            without: fields.texts("without")?,
        };
        known(&fields, "when", inputs, [&variant.when])?;
        known(&fields, "without", inputs, &variant.without)?;
        variants.push(variant);
    }
    Ok(variants)
}

fn groups(fields: &Fields<'_>, inputs: &[Input]) -> Result<Vec<Group>, CatalogError> {
    let mut groups = Vec::new();
    for (key, exactly_one) in [("one_of", true), ("any_of", false)] {
        for names in fields.lists(key)? {
            known(fields, key, inputs, &names)?;
            if names.is_empty() {
                return Err(fields.wrong(key, "lists that are not empty"));
            }
            groups.push(Group { names, exactly_one });
        }
    }
    Ok(groups)
}

/// Refuses names that are no inputs of the row.
fn known<'n>(
    fields: &Fields<'_>,
    key: &str,
    inputs: &[Input],
    names: impl IntoIterator<Item = &'n String>,
) -> Result<(), CatalogError> {
    let strange = |name: &&String| !inputs.iter().any(|input| input.name == **name);
    match names.into_iter().find(strange) {
        Some(_) => {
            let names: Vec<_> = inputs.iter().map(|input| input.name.as_str()).collect();
            Err(fields.wrong(key, format!("names of inputs: {}", names.join(", "))))
        }
        None => Ok(()),
    }
}

fn example(fields: &Fields<'_>) -> Result<Map<String, Json>, CatalogError> {
    match fields.json("example")? {
        Some(Json::Object(example)) => Ok(example),
        None => Ok(Map::new()),
        Some(_) => Err(fields.wrong("example", "a table: an input that the model takes")),
    }
}

fn try_example(model: &Model) -> Result<(), CatalogError> {
    if model.example.is_empty() {
        return Ok(());
    }
    match model.check(&model.example) {
        Ok(_) => Ok(()),
        Err(errors) => {
            let error = errors.into_iter().next().expect("a refusal has an error");
            let (slug, pointer, detail) = (model.slug.clone(), error.pointer, error.detail);
            Err(CatalogError::Example { slug, pointer, detail })
        }
    }
}
