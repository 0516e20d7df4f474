//! Inputs, held against the rows that come with the server.

use serde_json::{Value, json};

use super::{checked, error, errors, map, model};
use crate::catalog::Media;
use crate::job::Kind;

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let input = json!({
        "promt": "a kite",
        "duration": 7,
        "resolution": "900p",
        "seed": 1.5,
        "camera_fixed": "perhaps",
        "image": "photo.png",
        "zzz": 1,
    });
    let mut errors = errors("seedance-i2v", input);
    errors.sort_by(|one, other| one.pointer.cmp(&other.pointer));
    let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
    let expected = ["/camera_fixed", "/image", "/promt", "/prompt", "/resolution", "/seed", "/zzz"];
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(pointers, expected, "seven seconds are fine");
}

#[test]
fn a_misspelt_input_is_refused_with_what_was_meant() {
    let input = json!({"prompt": "a kite", "durations": 5});
    assert_eq!(
        error("kling-t2v", input),
        ("/durations".into(), "is not an input of 'kling-t2v'; did you mean 'duration'?".into())
    );
    let input = json!({"prompt": "a kite", "a/b": 5});
    let (pointer, detail) = error("kling-t2v", input);
    assert_eq!(pointer, "/a~1b");
    assert!(detail.ends_with("it has prompt, duration, aspect_ratio, negative_prompt"), "{detail}");
}

#[test]
fn a_value_that_is_not_allowed_is_refused_with_all_that_are() {
    let with = |name: &str, value: Value| {
        let mut input = map(json!({"prompt": "a kite"}));
        input.insert(name.into(), value);
        Value::Object(input)
    };
    for (slug, name, value, detail) in [
        ("kling-t2v", "duration", json!(7), "must be 5 or 10, not 7"),
        ("kling-t2v", "duration", json!("7s"), "must be 5 or 10, not '7s'"),
        ("kling-t2v", "duration", json!(5.5), "must be 5 or 10, not 5.5"),
        ("kling-t2v", "duration", json!(true), "must be 5 or 10, not true"),
        ("kling-t2v", "prompt", json!(5), "must be a text, not a number"),
        ("kling-t2v", "prompt", json!(""), "must have 1 to 20000 characters, not 0"),
        ("kling-t2v", "prompt", json!(" \n"), "must not be blank"),
        ("kling-t2v", "prompt", json!("a\u{0}"), "must not contain the control character U+0000"),
        (
            "kling-t2v",
            "aspect_ratio",
            json!("16:10"),
            "must be '16:9', '9:16' or '1:1', not '16:10'",
        ),
        ("kling-t2v", "aspect_ratio", json!([1]), "must be '16:9', '9:16' or '1:1', not [1]"),
        ("seedance-t2v", "duration", json!(13), "must be a whole number from 2 to 12, not 13"),
        (
            "seedance-t2v",
            "duration",
            json!("long"),
            "must be a whole number from 2 to 12, not 'long'",
        ),
        ("seedance-t2v", "seed", json!("5s"), "must be a whole number, not '5s'"),
        ("seedance-t2v", "camera_fixed", json!(1), "must be true or false, not 1"),
        ("bfl/flux-2-flex", "guidance", json!(1), "must be a number from 1.5 to 10, not 1"),
        ("bfl/flux-2-flex", "guidance", json!("NaN"), "must be a number from 1.5 to 10, not 'NaN'"),
        (
            "bfl/flux-2-pro",
            "width",
            json!(100),
            "must be a whole number of at least 64 that is a multiple of 16, not 100",
        ),
        (
            "bfl/flux-2-pro",
            "input_image",
            json!(5),
            "must be an http or https URL, a data URL with base64, or the id or address of an upload (upl_…) or of a file made here, not a number",
        ),
        (
            "bfl/flux-2-pro",
            "input_image",
            json!("data:audio/wav;base64,aGkh"),
            "must be a file of type image, not 'audio/wav'",
        ),
        ("minimax/h3", "reference_videos", json!(5), "must be a list, not a number"),
        ("sora2/text-to-video", "character_ids", json!(["a", 5]), "must be a text, not a number"),
        (
            "sora2/text-to-video",
            "character_ids",
            json!(["a", "b", "c"]),
            "must have 0 to 2 items, not 3",
        ),
        (
            "runway/gen4.5/text-to-video",
            "contentModeration",
            json!("low"),
            "must be an object, not a text",
        ),
    ] {
        let (pointer, told) = error(slug, with(name, value));
        assert!(pointer.starts_with(&format!("/{name}")), "{slug} {name}: {pointer}");
        assert_eq!(told, detail, "{slug} {name}");
    }
}

#[test]
fn a_value_that_is_nearly_right_is_refused_with_what_was_meant() {
    let (pointer, detail) =
        error("pixverse-v5-t2v", json!({"prompt": "a", "effect": "Kung-fu Clubs"}));
    assert_eq!(pointer, "/effect");
    assert!(detail.ends_with(", not 'Kung-fu Clubs'; did you mean 'Kungfu Club'?"), "{detail}");
}

#[test]
fn an_item_of_a_list_is_pointed_at() {
    let input = json!({"prompt": "a", "image_urls": ["https://example.com/a.png", "b.png"]});
    assert_eq!(error("veo3_1/reference-to-video", input).0, "/image_urls/1");
    let (pointer, detail) =
        error("veo3_1/reference-to-video", json!({"prompt": "a", "image_urls": []}));
    assert_eq!(
        (pointer.as_str(), detail.as_str()),
        ("/image_urls", "must have 1 to 100 items, not 0")
    );
}

#[test]
fn a_long_value_is_not_repeated_whole() {
    let long = "x".repeat(100_000);
    let (_, detail) = error("kling-t2v", json!({"prompt": "a", "aspect_ratio": long}));
    assert!(detail.len() < 200, "{detail}");
    let (pointer, detail) = error("kling-t2v", json!({"prompt": "a", (long): 1}));
    assert!(pointer.len() < 80 && detail.len() < 200, "{pointer} {detail}");
}

#[test]
fn lengths_are_in_characters() {
    let prompt = |count| json!({"prompt": "é".repeat(count), "start_image_url": "https://a.b/c"});
    checked("kling-o1/first-last-frame-to-video", prompt(2_500));
    let (pointer, detail) = error("kling-o1/first-last-frame-to-video", prompt(2_501));
    assert_eq!(pointer, "/prompt");
    assert_eq!(detail, "must have 1 to 2500 characters, not 2501");
}

#[test]
fn the_same_seconds_are_taken_in_every_spelling_and_sent_in_the_providers() {
    let duration = |slug: &str, value: Value| {
        checked(slug, json!({"prompt": "a kite", "duration": value})).input["duration"].clone()
    };
    for value in [json!("8s"), json!("8"), json!(8), json!("8S")] {
        assert_eq!(duration("veo3/text-to-video", value), "8s");
    }
    for value in [json!("8s"), json!("8"), json!(8), json!(8.0)] {
        assert_eq!(duration("ltx2/text-to-video/pro", value), 8);
    }
    let o1 = |value: Value| {
        let input = json!({"prompt": "a", "start_image_url": "https://a.b/c", "duration": value});
        checked("kling-o1/first-last-frame-to-video", input).input["duration"].clone()
    };
    for value in [json!("5s"), json!("5"), json!(5)] {
        assert_eq!(o1(value), "5");
    }
}

#[test]
fn other_kindnesses_leave_no_doubt_either() {
    let checked = checked(
        "seedance-t2v",
        json!({"prompt": "a", "resolution": "720P", "seed": "42", "cameraFixed": "true"}),
    );
    let expected = json!({"prompt": "a", "resolution": "720p", "seed": 42, "camera_fixed": true});
    assert_eq!(checked.input, map(expected));
    let url = "https://example.com/a.png";
    let input = json!({"video": url, "image": url, "resolution": "480p"});
    let input = model("wan-2-2-animate-replace").check(&map(input)).unwrap().input;
    assert_eq!(input["resolution"], "480");
    let one = json!({"prompt": "a", "images": url});
    let checked = model("veo3_1/reference-to-video").check(&map(one)).unwrap();
    assert_eq!(checked.input["image_urls"], json!([url]));
    assert_eq!(checked.files[0].pointer, "/image_urls/0");
}

#[test]
fn null_is_absent_and_defaults_are_not_filled_in() {
    let input = json!({"prompt": "a kite", "duration": null, "unheard_of": null});
    assert_eq!(checked("kling-t2v", input).input, map(json!({"prompt": "a kite"})));
    assert_eq!(error("kling-t2v", json!({"prompt": null})).0, "/prompt");
}

#[test]
fn fields_of_other_products_are_dropped() {
    let input = json!({"prompt": "a kite", "isPublic": true, "is_public": 1, "speed": "fast"});
    assert_eq!(checked("kling-t2v", input).input, map(json!({"prompt": "a kite"})));
    // Where it is an input, it is one.
    let input = json!({"prompt": "a kite", "model": "sora-2"});
    assert_eq!(checked("sora2/text-to-video", input.clone()).input, map(input));
}

#[test]
fn other_names_and_spellings_are_taken_but_not_two_at_once() {
    let url = "https://example.com/a.png";
    for name in ["image_url", "imageUrl", "image", "image-url"] {
        let input = json!({"prompt": "a", (name): url});
        assert_eq!(checked("veo3/image-to-video", input).input["image_url"], url);
    }
    for name in ["promptImage", "prompt_image", "image", "imageUrl"] {
        let input = json!({"prompt": "a", (name): url});
        let checked = checked("runway/gen4.5/image-to-video", input);
        assert_eq!(checked.input["promptImage"], url);
        assert_eq!(checked.input["promptText"], "a");
    }
    let input = json!({"prompt": "a", "image_url": url, "image": url});
    assert_eq!(
        error("veo3/image-to-video", input),
        ("/image".into(), "is another name of 'image_url'; give one of the two".into())
    );
}

#[test]
fn the_lip_sync_body_of_clients_works_with_and_without_a_prompt() {
    let picture = "data:image/png;base64,aGkh";
    let sound = "data:audio/wav;base64,aGkh";
    let with = json!({"imageUrl": picture, "audioUrl": sound, "prompt": "woman singing"});
    let checked_with = checked("wan-2-2-s2v", with);
    let expected = json!({"image": picture, "audio": sound, "prompt": "woman singing"});
    assert_eq!(checked_with.input, map(expected));
    let files: Vec<_> = checked_with.files.iter().map(|file| file.pointer.as_str()).collect();
    assert_eq!(files, ["/image", "/audio"]);
    assert_eq!(checked_with.files[1].media, [Media::Audio]);
    let without = checked("wan-2-2-s2v", json!({"imageUrl": picture, "audioUrl": sound}));
    assert_eq!(without.input["prompt"], "a person speaking", "the provider insists on one");
    assert_eq!(model("wan-2-2-s2v").kind(), Kind::Lipsync);
    assert_eq!(model("wan-2-2-s2v").estimate(&without.input), 200_000, "0.20 for ten seconds");
}

#[test]
fn of_inputs_that_exclude_each_other_exactly_one_is_needed() {
    let (video, sound) = ("https://example.com/a.mp4", "https://example.com/a.mp3");
    checked("kling-lipsync", json!({"video": video, "audio": sound}));
    checked("kling-lipsync", json!({"video_id": "v1", "text": "hello"}));
    let mut pointers: Vec<_> =
        errors("kling-lipsync", json!({})).into_iter().map(|error| error.pointer).collect();
    pointers.sort();
    assert_eq!(pointers, ["/audio_file", "/video_url"]);
    let input = json!({"video_url": video, "video_id": "v1", "text": "hello"});
    assert_eq!(
        error("kling-lipsync", input),
        ("/video_id".into(), "is one too many: give exactly one of 'video_url', 'video_id'".into())
    );
}

#[test]
fn of_inputs_that_go_together_at_least_one_is_needed() {
    let url = "https://example.com/a.png";
    checked("minimax/hailuo-2.3", json!({"image": url}));
    checked("minimax/hailuo-2.3", json!({"image": url, "prompt": "a kite"}));
    let (pointer, detail) = error("minimax/hailuo-2.3", json!({}));
    assert_eq!(pointer, "/prompt");
    assert_eq!(detail, "is required, or another of 'prompt', 'first_frame_image'");
}

#[test]
fn an_input_that_needs_another_says_so() {
    let url = "https://example.com/a.png";
    let input = json!({"prompt": "a", "image": url, "end_image": url});
    assert_eq!(
        error("kling-i2v", input),
        ("/start_image".into(), "is required with 'end_image'".into())
    );
}

#[test]
fn the_name_upstream_follows_the_input() {
    let kling = model("kling-i2v");
    let url = "https://example.com/a.png";
    let older = json!({"prompt": "a", "image": url, "aspect_ratio": "1:1"});
    let older = kling.check(&map(older)).unwrap().input;
    assert_eq!(kling.upstream_for(&older), "kwaivgi/kling-v2.5-turbo-pro");
    assert_eq!(older["aspect_ratio"], "1:1");
    let newer = json!({"prompt": "a", "start_image": url, "aspect_ratio": "1:1", "mode": "pro"});
    let newer = kling.check(&map(newer)).unwrap().input;
    assert_eq!(kling.upstream_for(&newer), "kwaivgi/kling-v2.1");
    assert!(!newer.contains_key("aspect_ratio"), "Kling 2.1 does not know it");
}

#[test]
fn a_value_is_put_into_the_form_that_its_provider_wants_and_its_file_is_found_there() {
    let input = json!({"prompt": "a", "subject": "https://example.com/a.png"});
    let checked = checked("minimax/s2v-01", input);
    assert_eq!(
        checked.input["subject_reference"],
        json!([{"type": "character", "image": ["https://example.com/a.png"]}])
    );
    assert_eq!(checked.files[0].pointer, "/subject_reference/0/image/0");
    assert_eq!(checked.input_at("/subject_reference/0/image/0"), "https://example.com/a.png");
    let own = json!({"prompt": "a", "subject_reference": [{"type": "animal", "image": ["a"]}]});
    assert_eq!(error("minimax/s2v-01", own).0, "/subject_reference");
}
