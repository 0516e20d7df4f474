//! `tailwater models`.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::client::{Model, ModelFilter, ModelInput, Price};

use super::{Failure, args, client, out};

/// How long lines of explanations are, in characters.
const WIDTH: usize = 92;

pub(super) async fn run(args: args::Models) -> Result<u8, Failure> {
    let client = client(&args.server.address)?;
    if let Some(slug) = &args.slug {
        let model = client.model(slug).await?;
        let text = if args.json { out::json(&json!(model)) } else { page(&model) };
        out::print(&out::harmless(&text)).ok();
        return Ok(0);
    }
    let filter = ModelFilter { provider: args.provider, mode: args.mode, kind: args.kind };
    let models = client.models(&filter).await?;
    if models.is_empty() && !args.json {
        out::note("no model fits");
    }
    let text = if args.json { out::json(&json!({ "models": models })) } else { table(&models) };
    out::print(&out::harmless(&text)).ok();
    Ok(0)
}

fn table(models: &[Model]) -> String {
    let heading = ["MODEL", "MODE", "PROVIDER", "HEALTH", "CREDITS"];
    let row = |model: &Model| {
        [
            model.slug.clone(),
            model.mode.clone(),
            model.provider.clone(),
            health(model),
            price(&model.cost),
        ]
    };
    out::table(heading, models.iter().map(row))
}

/// How well the provider is, and what else stands in the way of a real result.
fn health(model: &Model) -> String {
    let health = model.rest.get("health");
    let status = health.and_then(|health| health["status"].as_str()).unwrap_or("off");
    let retired = model.rest.get("retired").map(|retired| match retired["refused"].as_bool() {
        Some(true) => "gone",
        _ => "retired",
    });
    let simulated = model.simulated.then_some("simulated");
    let more = [simulated, retired].into_iter().flatten();
    std::iter::once(status).chain(more).collect::<Vec<_>>().join(", ")
}

/// The price in a few characters: `0.06 a job`, `0.05–0.15 a second`.
fn price(price: &Price) -> String {
    let per = &price.per;
    match (&price.credits, &price.by) {
        (Some(credits), _) => format!("{credits} a {per}"),
        (None, Some(table)) => {
            let mut prices: Vec<_> = table.credits.values().filter_map(Value::as_str).collect();
            // As numbers only to be put in order; what is shown is the server's text.
            prices.sort_by(|one, other| {
                let number = |text: &str| text.parse().unwrap_or(f64::MAX);
                number(one).total_cmp(&number(other))
            });
            match (prices.first(), prices.last()) {
                (Some(least), Some(most)) if least != most => format!("{least}–{most} a {per}"),
                (Some(only), _) => format!("{only} a {per}"),
                (None, _) => String::new(),
            }
        }
        (None, None) => String::new(),
    }
}

/// All about one model.
fn page(model: &Model) -> String {
    let mut text = format!("{}\n{}\n\n", model.slug, model.title);
    for (name, fact) in facts(model) {
        let mut lines = out::wrapped(&fact, WIDTH - 12).into_iter();
        let first = lines.next().unwrap_or_default();
        writeln!(text, "  {name:9} {first}").expect("writing to a string does not fail");
        text.extend(lines.map(|line| format!("  {:9} {line}\n", "")));
    }
    text += "\nInputs\n";
    text.extend(model.inputs.iter().map(input));
    for (name, rule) in [("one_of", "exactly one of"), ("any_of", "at least one of")] {
        let groups = model.rest.get(name).and_then(Value::as_array).into_iter().flatten();
        text.extend(groups.map(|group| format!("  {rule} {} is given\n", listed(group))));
    }
    text += &format!("\nExample\n  {}\n", example(model));
    text
}

fn facts(model: &Model) -> Vec<(&'static str, String)> {
    let word = |name: &str| model.rest.get(name).and_then(Value::as_str).unwrap_or_default();
    let modes = model.rest.get("modes").map(listed).filter(|modes| !modes.is_empty());
    let mut facts = vec![
        (
            "makes",
            format!("{} ({}): {}", model.kind, word("media_type"), modes.unwrap_or_default()),
        ),
        ("provider", format!("{} ({})", model.provider, word("upstream"))),
        ("health", health(model)),
        ("price", whole_price(&model.cost)),
    ];
    let minutes = model.rest.get("time_limit_ms").and_then(Value::as_u64).map(|ms| ms / 60_000);
    facts.extend(minutes.map(|minutes| ("limit", format!("{minutes} minutes"))));
    facts
        .extend(model.rest.get("notes").and_then(Value::as_str).map(|it| ("notes", it.to_owned())));
    if let Some(retired) = model.rest.get("retired") {
        let reason = retired["reason"].as_str().unwrap_or_default();
        let successor = retired["successor"].as_str();
        let instead = successor.map(|slug| format!("; instead: {slug}")).unwrap_or_default();
        facts.push(("retired", format!("{reason}{instead}")));
    }
    facts
}

/// The price with all that it depends on.
fn whole_price(cost: &Price) -> String {
    let mut text = format!("{} in credits", price(cost));
    if let Some(table) = &cost.by {
        let prices = table.credits.iter();
        let prices = prices.map(|(value, price)| format!("{value} {}", shown(price)));
        let prices = prices.collect::<Vec<_>>().join(", ");
        write!(text, ", by {}: {prices}", table.input).expect("writing to a string does not fail");
    }
    let seconds = cost.rest.get("seconds");
    if let Some(input) = seconds.and_then(|seconds| seconds.get("input")) {
        let (name, otherwise) = (shown(&input["name"]), shown(&input["otherwise"]));
        write!(text, "; {otherwise} seconds without {name}").expect("writing does not fail");
    } else if let Some(most) = seconds.and_then(|seconds| seconds.get("at_most")) {
        write!(text, "; at most {} seconds", shown(most)).expect("writing does not fail");
    }
    text
}

/// One input: its name and type, then what it means, then what is allowed.
fn input(input: &ModelInput) -> String {
    let required = if input.required { ", required" } else { "" };
    let default = input.default.as_ref().map(|value| format!(", default {}", shown(value)));
    let mut text =
        format!("  {}  {}{required}{}\n", input.name, kind(input), default.unwrap_or_default());
    let mut say = |line: &str| {
        let lines = out::wrapped(line, WIDTH - 6).into_iter();
        text.extend(lines.map(|line| format!("      {line}\n")));
    };
    say(&input.meaning);
    say(&allowed(input));
    text
}

fn kind(input: &ModelInput) -> String {
    let media = || input.rest.get("media").map(listed).unwrap_or_default();
    match input.kind.as_str() {
        "uri" => format!("{} (URL or @file)", media()),
        "uris" => format!("list of {} (URLs or @files)", media()),
        "texts" => "list of texts".to_owned(),
        "integer" => "whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => other.to_owned(),
    }
}

/// The bounds of an input, or nothing.
fn allowed(input: &ModelInput) -> String {
    if !input.allowed.is_empty() {
        return format!("one of {}", listed(&Value::Array(input.allowed.clone())));
    }
    let bounds = [
        ("at least", "min", ""),
        ("at most", "max", ""),
        ("a multiple of", "multiple_of", ""),
        ("at least", "min_length", " characters"),
        ("at most", "max_length", " characters"),
        ("at least", "min_items", " items"),
        ("at most", "max_items", " items"),
        ("only with", "needs", ""),
    ];
    let said = bounds.iter().filter_map(|(words, name, unit)| {
        let bound = input.rest.get(*name)?;
        Some(format!("{words} {}{unit}", shown(bound)))
    });
    said.collect::<Vec<_>>().join(", ")
}

/// A command that submits the model's own example.
fn example(model: &Model) -> String {
    let mut command = format!("tailwater submit {} --model {}", model.kind, model.slug);
    let fields = model.rest.get("example").and_then(Value::as_object);
    for (name, value) in fields.into_iter().flatten() {
        let known = model.inputs.iter().find(|input| input.name == *name);
        let is_file = known.is_some_and(|known| matches!(known.kind.as_str(), "uri" | "uris"));
        let items = match value {
            Value::Array(items) => items.iter().map(shown).collect(),
            value => vec![shown(value)],
        };
        for item in items {
            let said = match name.as_str() {
                "prompt" | "promptText" => quoted(&item),
                _ if is_file => {
                    let file = item.rsplit('/').next().unwrap_or(&item);
                    format!("--input {}", quoted(&format!("{name}=@{file}")))
                }
                _ => format!("--input {}", quoted(&format!("{name}={item}"))),
            };
            write!(command, " {said}").expect("writing to a string does not fail");
        }
    }
    command + " --watch"
}

/// A word of a command line, as a shell reads it.
fn quoted(text: &str) -> String {
    let plain = |symbol: char| symbol.is_ascii_alphanumeric() || "=@._-/:".contains(symbol);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Values in a line.
fn listed(values: &Value) -> String {
    let values = values.as_array().into_iter().flatten();
    values.map(shown).collect::<Vec<_>>().join(", ")
}

/// A value as it is typed: texts without quotes, whole numbers without a point.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let text = number.to_string();
            text.strip_suffix(".0").unwrap_or(&text).to_owned()
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        serde_json::from_value(json!({
            "slug": "wan/s2v", "title": "Wan, speech", "provider": "replicate", "kind": "lipsync",
            "mode": "image-audio-lip-sync", "modes": ["image-audio-lip-sync"],
            "media_type": "video/mp4", "upstream": "wan/wan-s2v", "time_limit_ms": 600_000,
            "cost": {
                "per": "second", "seconds": { "input": { "name": "duration", "otherwise": 5 } },
                "by": { "input": "size", "otherwise": "s",
                    "credits": { "l": "0.10", "m": "0.09", "s": "0.02" } },
            },
            "inputs": [
                { "name": "prompt", "type": "text", "required": true, "max_length": 200,
                  "meaning": "what is to be seen" },
                { "name": "image", "type": "uri", "media": ["image"], "meaning": "the face" },
                { "name": "size", "type": "text", "allowed": ["s", "m", "l"], "default": "s" },
                { "name": "seed", "type": "integer", "min": 0.0, "max": 9.0 },
            ],
            "one_of": [["image", "prompt"]],
            "example": { "image": "https://example.com/me.png", "prompt": "it's me" },
            "health": { "status": "limited" }, "simulated": true,
        }))
        .unwrap()
    }

    #[test]
    fn models_are_lines_under_a_heading() {
        assert_eq!(
            table(&[model()]),
            "MODEL    MODE                  PROVIDER   HEALTH              CREDITS\n\
             wan/s2v  image-audio-lip-sync  replicate  limited, simulated  0.02–0.10 a second\n"
        );
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn a_model_is_shown_with_everything_that_a_submit_needs() {
        assert_eq!(
            page(&model()),
            "wan/s2v\nWan, speech\n\
            \n  makes     lipsync (video/mp4): image-audio-lip-sync\
            \n  provider  replicate (wan/wan-s2v)\
            \n  health    limited, simulated\
            \n  price     0.02–0.10 a second in credits, by size: l 0.10, m 0.09, s 0.02; 5 seconds\
            \n            without duration\
            \n  limit     10 minutes\n\
            \nInputs\
            \n  prompt  text, required\
            \n      what is to be seen\
            \n      at most 200 characters\
            \n  image  image (URL or @file)\
            \n      the face\
            \n  size  text, default s\
            \n      one of s, m, l\
            \n  seed  whole number\
            \n      at least 0, at most 9\
            \n  exactly one of image, prompt is given\n\
            \nExample\
            \n  tailwater submit lipsync --model wan/s2v --input image=@me.png 'it'\\''s me' --watch\n"
        );
    }

    #[test]
    fn a_price_that_does_not_depend_on_anything_is_one_number() {
        let cost = serde_json::from_value(json!({ "per": "job", "credits": "0.06" })).unwrap();
        assert_eq!(price(&cost), "0.06 a job");
        assert_eq!(whole_price(&cost), "0.06 a job in credits");
    }
}
