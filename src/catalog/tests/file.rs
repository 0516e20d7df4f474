//! Operators' files.

use std::time::Duration;

use serde_json::json;

use super::map;
use crate::catalog::Catalog;
use crate::job::Kind;

#[test]
fn an_operators_file_changes_a_row_field_by_field() {
    let catalog = Catalog::with_file(
        r#"
        ignored = ["watermark"]

        [providers.fal]
        requests_per_minute = 7

        [[models]]
        slug = "kling-t2v"
        upstream = "kwaivgi/kling-v3"
        cost = { per_job = "0.5" }
        concurrency = 2
        polling = { first = "1s", ceiling = "2s" }
        inputs = [
          { name = "duration", allowed = [5, 10, 15] },
          { name = "cfg", type = "number", min = 0, max = 1, meaning = "how strictly" },
        ]
        "#,
    )
    .unwrap();
    let kling = catalog.get("kling-t2v").unwrap();
    assert_eq!((kling.upstream.as_str(), kling.lane()), ("kwaivgi/kling-v3", "kling-t2v"));
    assert_eq!(kling.title, "Kling 2.5 Turbo Pro, text to video", "what is not given stays");
    assert_eq!(kling.polling.first, Duration::from_secs(1));
    let input = map(json!({"prompt": "a", "duration": 15, "cfg": 0.5, "watermark": true}));
    let checked = kling.check(&input).unwrap();
    assert_eq!(checked.input, map(json!({"prompt": "a", "duration": 15, "cfg": 0.5})));
    assert_eq!(kling.estimate(&checked.input), 500_000);
    assert_eq!(catalog.provider("fal").unwrap().requests_per_minute, Some(7));
    assert_eq!(catalog.provider("fal").unwrap().title, "fal");
    assert_eq!(catalog.iter().len(), Catalog::builtin().iter().len());
    assert_eq!(catalog.get("kling-i2v").unwrap().lane(), "replicate");
}

/// A whole row of an operator's own.
const OWN: &str = r#"
[[models]]
slug = "own/sketch"
title = "Sketch"
provider = "fal"
upstream = "me/sketch"
mode = "text-to-image"
output = "images[].url"
media_type = "image/png"
cost = { per_job = "0.01" }
inputs = [{ name = "prompt", type = "text", required = true }]
"#;

#[test]
fn an_operators_file_adds_a_row() {
    let catalog = Catalog::with_file(OWN).unwrap();
    let own = catalog.find("me/sketch").unwrap();
    assert_eq!((own.slug.as_str(), own.kind()), ("own/sketch", Kind::Image));
    assert_eq!(own.route(), "/api/fal/own/sketch/submit");
    let answer = json!({"images": [{"url": "https://example.com/a"}]});
    assert_eq!(own.output.urls(&answer), ["https://example.com/a"]);
}

#[test]
fn an_empty_file_changes_nothing() {
    let catalog = Catalog::with_file("").unwrap();
    assert_eq!(catalog.iter().len(), Catalog::builtin().iter().len());
}

#[test]
fn what_is_wrong_in_a_file_is_told_by_row_key_value_and_what_is_allowed() {
    let told = |text: &str| Catalog::with_file(text).unwrap_err().to_string();
    let own = |from: &str, to: &str| {
        assert!(OWN.contains(from), "{from}");
        told(&OWN.replace(from, to))
    };
    let starts = |told: String, start: &str| assert!(told.starts_with(start), "{told}");

    starts(told("\nmodels = ["), "line 2 is not valid TOML: ");
    assert_eq!(told("modles = 1"), "the file: 'modles' is not known here; did you mean 'models'?");
    starts(
        told("[[models]]\ntitle = 'x'"),
        "model 1 of the file: slug is missing: it must be the name",
    );
    starts(
        own("provider", "providr"),
        "model 'own/sketch': 'providr' is not known here; did you mean 'provider'?",
    );
    assert_eq!(
        own("\"fal\"", "\"fall\""),
        "model 'own/sketch': provider cannot be 'fall': it must be one of bfl, fal, minimax, \
         replicate, runway"
    );
    starts(
        own("text-to-image", "text-to-sound"),
        "model 'own/sketch': mode cannot be 'text-to-sound': it must be one or several of text-to-video,",
    );
    starts(
        own("0.01", "1e3"),
        "model 'own/sketch', cost: per_job cannot be '1e3': it must be credits as text",
    );
    starts(
        own("\"0.01\"", "0.01"),
        "model 'own/sketch', cost: per_job cannot be 0.01: it must be credits as text",
    );
    starts(
        own("type = \"text\"", "type = \"txt\""),
        "model 'own/sketch', input 'prompt': type cannot be 'txt': it must be one of text, integer,",
    );
    starts(
        own("type = \"text\"", "type = \"uri\""),
        "model 'own/sketch', input 'prompt': media is missing",
    );
    starts(
        own("required = true", "default = 5"),
        "model 'own/sketch', input 'prompt': default cannot be 5: it must be a value that",
    );
    starts(
        own("images[].url", "images[0]"),
        "model 'own/sketch': output cannot be 'images[0]': it must be a path",
    );
    starts(own("own/sketch", "own/../sketch"), "model 'own/../sketch': slug cannot be");
    starts(
        own("cost =", "time_limit = \"10 minutes\"\ncost ="),
        "model 'own/sketch': time_limit cannot be '10 minutes': it must be a time such as",
    );
    starts(
        own("cost =", "endpoint = \"v1\"\ncost ="),
        "model 'own/sketch': endpoint cannot be 'v1': it must be absent",
    );
    starts(
        own("cost =", "any_of = [[\"x\"]]\ncost ="),
        "model 'own/sketch': any_of cannot be the list",
    );
    starts(
        own("cost =", "aliases = [\"kling-t2v\"]\ncost ="),
        "model 'own/sketch': aliases cannot be 'kling-t2v'",
    );
    starts(
        own("cost =", "retired = { reason = \"old\", successor = \"x\" }\ncost ="),
        "model 'own/sketch': successor cannot be 'x'",
    );
    starts(
        own("cost =", "example = { prompt = 5 }\ncost ="),
        "model 'own/sketch': its example is refused: /prompt must be a text",
    );
    starts(
        told(&format!("{OWN}{OWN}")),
        "model 2 of the file: slug cannot be 'own/sketch': it must be a slug that no other",
    );
    starts(told("[providers.acme]\ntitle = 'x'"), "providers: 'acme' is not known here");
    starts(
        told("[providers.fal]\npolling = { first = '0s', ceiling = '1s' }"),
        "provider 'fal', polling: first cannot be '0s'",
    );
    starts(
        told("[[models]]\nslug = 'kling-t2v'\ncost = { per_second = '1', seconds = 'prompt' }"),
        "model 'kling-t2v', cost: seconds cannot be 'prompt'",
    );
    starts(
        told(
            "[[models]]\nslug = 'seedance-t2v'\ninputs = [{ name = 'resolution', allowed = ['8k'], default = '8k' }]",
        ),
        "model 'seedance-t2v', cost: per_second cannot be a table: it must be a table with a price for '8k'",
    );
}
