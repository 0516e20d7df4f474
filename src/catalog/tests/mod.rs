mod file;
mod input;

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::job::input::FieldError;

/// The routes that the catalog must serve, by provider, exactly.
const REPLICATE: [&str; 13] = [
    "wan-2-5-t2v",
    "wan-2-5-i2v",
    "kling-t2v",
    "kling-i2v",
    "pixverse-v5-t2v",
    "pixverse-v5-i2v",
    "kling-lipsync",
    "wan-2-2-animate-replace",
    "wan-2-2-animate-animation",
    "seedance-t2v",
    "seedance-i2v",
    "seedance-pro-fast-t2v",
    "seedance-pro-fast-i2v",
];

const FAL: [&str; 21] = [
    "veo3/text-to-video",
    "veo3/text-to-video/fast",
    "veo3/image-to-video",
    "veo3/image-to-video/fast",
    "veo3_1/text-to-video",
    "veo3_1/text-to-video/fast",
    "veo3_1/image-to-video",
    "veo3_1/image-to-video/fast",
    "veo3_1/reference-to-video",
    "veo3_1/first-last-frame-to-video",
    "veo3_1/first-last-frame-to-video/fast",
    "sora2/text-to-video",
    "sora2/text-to-video/pro",
    "sora2/image-to-video",
    "sora2/image-to-video/pro",
    "sora2/video-to-video/remix",
    "ltx2/text-to-video/pro",
    "ltx2/text-to-video/fast",
    "ltx2/image-to-video/pro",
    "ltx2/image-to-video/fast",
    "kling-o1/first-last-frame-to-video",
];

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn model(slug: &str) -> Arc<Model> {
    Arc::clone(Catalog::builtin().get(slug).unwrap_or_else(|| panic!("no model {slug}")))
}

fn checked(slug: &str, input: Value) -> Checked {
    model(slug).check(&map(input)).unwrap_or_else(|errors| panic!("{slug}: {errors:?}"))
}

fn errors(slug: &str, input: Value) -> Vec<FieldError> {
    model(slug).check(&map(input)).unwrap_err()
}

/// The one error of this input: pointer and detail.
fn error(slug: &str, input: Value) -> (String, String) {
    let mut errors = errors(slug, input);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let FieldError { pointer, detail } = errors.remove(0);
    (pointer, detail)
}

fn slugs(provider: &str) -> Vec<String> {
    let catalog = Catalog::builtin();
    let own = catalog.iter().filter(|model| model.provider == provider);
    own.map(|model| model.slug.clone()).collect()
}

#[test]
fn the_rows_of_replicate_and_fal_are_exactly_those_that_clients_know() {
    let ours = "wan-2-2-s2v";
    let replicate: Vec<_> = slugs("replicate").into_iter().filter(|slug| slug != ours).collect();
    assert_eq!(replicate, REPLICATE);
    assert_eq!(slugs("fal"), FAL);
    for slug in REPLICATE {
        assert_eq!(model(slug).route(), format!("/api/replicate/{slug}/submit"));
    }
    for slug in FAL {
        assert_eq!(model(slug).route(), format!("/api/fal/{slug}/submit"));
    }
}

#[test]
fn every_other_row_has_the_route_that_clients_know() {
    for (slug, route) in [
        ("wan-2-2-s2v", "/api/generate-lipsync"),
        ("runway/gen4_turbo/image-to-video", "/api/runway/video"),
        ("runway/aleph2/video-to-video", "/api/runway/video"),
        ("runway/act_two", "/api/runway/character-performance"),
        ("minimax/hailuo-2.3", "/api/minimax/video"),
        ("bfl/flux-2-pro", "/api/images/generate"),
    ] {
        assert_eq!(model(slug).route(), route);
    }
}

#[test]
fn every_row_takes_its_own_example_and_names_all_required_inputs_with_a_meaning() {
    for model in Catalog::builtin().iter() {
        let slug = &model.slug;
        assert!(!model.example.is_empty(), "{slug}");
        let checked = model.check(&model.example).unwrap();
        assert_eq!(
            model.check(&checked.input).as_ref(),
            Ok(&checked),
            "{slug}: a normal form stays"
        );
        assert!(model.estimate(&checked.input) > 0, "{slug}");
        assert!(model.inputs.iter().all(|input| !input.meaning.is_empty()), "{slug}");
        let files = checked.files.iter().map(|file| checked.input_at(&file.pointer));
        for file in files {
            assert!(file.starts_with("https://example.com/"), "{slug}: {file}");
        }
        for input in model.inputs.iter().filter(|input| input.required) {
            let mut without = model.example.clone();
            without.remove(&input.name);
            let errors = model.check(&without).unwrap_err();
            assert_eq!(errors[0].pointer, format!("/{}", input.name), "{slug}");
        }
    }
}

impl Checked {
    fn input_at(&self, pointer: &str) -> String {
        let input = Value::Object(self.input.clone());
        input.pointer(pointer).and_then(Value::as_str).unwrap().to_owned()
    }
}

#[test]
fn every_row_says_in_one_view_all_that_a_client_needs() {
    for model in Catalog::builtin().iter() {
        let view = model.view();
        assert_eq!(view["slug"], model.slug);
        assert_eq!(view["inputs"].as_array().unwrap().len(), model.inputs.len());
        assert_eq!(view["time_limit_ms"], u64::try_from(model.time_limit.as_millis()).unwrap());
    }
    let view = model("veo3_1/text-to-video").view();
    assert_eq!(
        view["inputs"][2],
        json!({
            "name": "duration", "type": "text", "required": false, "meaning": "length in seconds",
            "allowed": ["4s", "6s", "8s"], "default": "8s",
        })
    );
    assert_eq!(
        view["cost"],
        json!({
            "per": "second",
            "seconds": {"input": {"name": "duration", "otherwise": 8}},
            "by": {
                "input": "resolution",
                "otherwise": "720p",
                "credits": {"720p": "0.40", "1080p": "0.40", "4k": "0.60"},
            },
        })
    );
    assert_eq!(model("bfl/flux-pro-1.1").view()["cost"], json!({"per": "job", "credits": "0.04"}));
    let view = model("runway/act_two").view();
    assert_eq!((&view["kind"], &view["mode"]), (&json!("video"), &json!("character-performance")));
    assert_eq!(view["inputs"][0]["media"], json!(["image", "video"]));
}

#[test]
fn a_model_is_found_by_slug_alias_and_upstream_id() {
    let catalog = Catalog::builtin();
    let slug = |name: &str| catalog.find(name).unwrap().slug.clone();
    assert_eq!(slug("kling-t2v"), "kling-t2v");
    assert_eq!(slug("wan-video/wan-2.2-s2v"), "wan-2-2-s2v");
    assert_eq!(slug("fal-ai/veo3.1/fast"), "veo3_1/text-to-video/fast");
    assert_eq!(slug("fal-ai/ltxv-2/text-to-video"), "ltx2/text-to-video/pro");
    assert_eq!(slug("kwaivgi/kling-v2.1"), "kling-i2v");
    assert_eq!(slug("MiniMax-Hailuo-02"), "minimax/hailuo-02");
}

#[test]
fn an_unknown_model_is_refused_with_the_nearest_name() {
    let catalog = Catalog::builtin();
    assert_eq!(
        catalog.find("kling-tv2").unwrap_err().to_string(),
        "there is no model 'kling-tv2'; did you mean 'kling-t2v'?"
    );
    let unknown = catalog.find(&"x".repeat(1_000)).unwrap_err();
    assert_eq!((unknown.name.len(), unknown.nearest), (64, None));
}

#[test]
fn where_a_name_stands_for_several_rows_the_input_decides() {
    let catalog = Catalog::builtin();
    let fitting =
        |name: &str, input: Value| catalog.fitting(name, &map(input)).unwrap().slug.clone();
    let text = json!({"promptText": "a kite"});
    let image = json!({"promptText": "a kite", "promptImage": "https://example.com/a.png"});
    assert_eq!(fitting("gen4.5", text.clone()), "runway/gen4.5/text-to-video");
    assert_eq!(fitting("gen4.5", image), "runway/gen4.5/image-to-video");
    assert_eq!(fitting("runway/gen4.5/image-to-video", text), "runway/gen4.5/image-to-video");
    let image = json!({"prompt": "a kite", "image": "https://example.com/a.png"});
    assert_eq!(fitting("bytedance/seedance-1-pro", image), "seedance-i2v");
    assert!(catalog.fitting("nothing like it", &Map::new()).is_err());
}

#[test]
fn costs_are_exact() {
    for (slug, input, estimate) in [
        ("wan-2-5-t2v", json!({"prompt": "a"}), 500_000),
        ("wan-2-5-t2v", json!({"prompt": "a", "duration": 10, "size": "1920*1080"}), 1_500_000),
        ("seedance-pro-fast-t2v", json!({"prompt": "a"}), 300_000),
        ("seedance-pro-fast-t2v", json!({"prompt": "a", "resolution": "480p"}), 75_000),
        ("veo3/text-to-video", json!({"prompt": "a"}), 3_200_000),
        ("veo3_1/text-to-video/fast", json!({"prompt": "a", "duration": 4}), 600_000),
        ("runway/gen4.5/text-to-video", json!({"prompt": "a", "duration": 10}), 1_200_000),
        ("runway/gen4.5/text-to-video", json!({"prompt": "a"}), 600_000),
        ("minimax/hailuo-2.3", json!({"prompt": "a"}), 300_000),
        ("minimax/h3", json!({"prompt": "a"}), 3_000_000),
        ("bfl/flux-dev", json!({"prompt": "a"}), 25_000),
    ] {
        let model = model(slug);
        let input = model.check(&map(input)).unwrap().input;
        assert_eq!(model.estimate(&input), estimate, "{slug}");
        assert_eq!(model.cost(&input, None), estimate, "{slug}");
        assert_eq!(model.cost(&input, Some(86_400_000)), estimate, "{slug}");
    }
    let veo = model("veo3/text-to-video");
    assert_eq!(veo.cost(&map(json!({"duration": "8s"})), Some(7_500)), 3_000_000);
}

#[test]
fn the_end_of_a_model_is_told_with_what_to_use_instead() {
    let aleph = model("runway/gen4_aleph/video-to-video");
    assert!(aleph.is_refused());
    assert_eq!(
        aleph.farewell().unwrap(),
        "the model 'runway/gen4_aleph/video-to-video' is retired: Runway's client no longer knows \
         it since July 2026; use 'runway/aleph2/video-to-video' instead"
    );
    let sora = model("sora2/text-to-video");
    assert!(!sora.is_refused(), "it may still run");
    let farewell = sora.farewell().unwrap();
    assert!(farewell.contains("is deprecated since 2026-09-24: "), "{farewell}");
    let refused = Catalog::builtin().iter().filter(|model| model.is_refused()).count();
    assert_eq!(refused, 1);
    assert_eq!(model("kling-t2v").farewell(), None);
}

#[test]
fn every_provider_is_polled_as_its_documents_ask() {
    let catalog = Catalog::builtin();
    let seconds = |name: &str| {
        let polling = catalog.provider(name).unwrap().polling;
        [polling.first, polling.ceiling, polling.per_position].map(|time| time.as_secs())
    };
    assert_eq!(seconds("replicate"), [5, 30, 0]);
    assert_eq!(seconds("fal"), [2, 10, 1]);
    assert_eq!(seconds("runway"), [5, 8, 0]);
    assert_eq!(seconds("minimax"), [10, 15, 0]);
    assert_eq!(seconds("bfl"), [2, 10, 0]);
    let starts = |name| catalog.provider(name).unwrap().requests_per_minute;
    assert_eq!(
        (starts("replicate"), starts("minimax"), starts("fal")),
        (Some(600), Some(20), None)
    );
    assert_eq!(model("kling-t2v").time_limit, Duration::from_secs(600));
    assert_eq!(model("minimax/hailuo-02").time_limit, Duration::from_secs(1_200));
    assert_eq!(catalog.providers().len(), 5);
}
