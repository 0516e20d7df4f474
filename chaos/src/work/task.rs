//! What is asked for.

use serde_json::{Value, json};

/// One piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// An external worker's, of so many events of its own.
    External {
        /// How many.
        events: u64,
    },
    /// A post.
    Blog {
        /// About how long.
        words: u64,
        /// Whether it is narrated too.
        voiceover: bool,
    },
    /// A narration.
    Voiceover,
    /// What a model makes: the place in [`MODELS`], and the trouble that is asked for.
    Media {
        /// Which model.
        model: usize,
        /// Which trouble.
        trouble: &'static str,
    },
}

/// Routes of models of every provider, with what they take besides the prompt.
const MODELS: [(&str, &str, &str); 6] = [
    ("/api/replicate/seedance-t2v/submit", "prompt", "{}"),
    ("/api/fal/veo3/text-to-video/fast/submit", "prompt", "{}"),
    (
        "/api/runway/video",
        "promptText",
        r#"{"model":"runway/gen4.5/text-to-video","ratio":"1280:720","duration":5}"#,
    ),
    ("/api/minimax/video", "prompt", "{}"),
    ("/api/images/generate", "prompt", r#"{"model":"bfl/flux-2-pro"}"#),
    (
        "/api/generate-lipsync",
        "prompt",
        r#"{"image":"https://example.com/portrait.png","audio":"https://example.com/voice.mp3"}"#,
    ),
];

/// What is asked of the simulated providers; mostly nothing.
const TROUBLES: [&str; 8] =
    ["", "", "", "[cut]", "[429-bare]", "[500]", "[cut-poll]", "[expired-url]"];

impl Task {
    /// A task for this slot: half of them are for external workers, since those have many events.
    pub(super) fn draw(slot: usize, events: u64, random: &mut fastrand::Rng) -> Self {
        match slot % 20 {
            0..=9 => Self::External { events: random.u64(events / 10..=events) },
            10..=13 => Self::Blog { words: random.u64(60..=300), voiceover: false },
            14 => Self::Blog { words: random.u64(50..=80), voiceover: true },
            15 => Self::Voiceover,
            _ => Self::Media {
                model: random.usize(..MODELS.len()),
                trouble: TROUBLES[random.usize(..TROUBLES.len())],
            },
        }
    }

    /// The route and the body of its submit. The job's name is in every prompt, so that a provider's
    /// work is known for whose it is.
    pub(super) fn submit(&self, name: &str, project: &str) -> (&'static str, Value) {
        let whole = |kind: &str, input: Value| {
            let body = json!({ "kind": kind, "input": input, "project_id": project });
            ("/api/jobs", body)
        };
        let subject = format!("what job:{name}; knows about tides");
        match self {
            Self::External { .. } => whole("external", json!({ "name": name })),
            Self::Blog { words, voiceover } => {
                whole("blog", json!({ "topic": subject, "words": words, "voiceover": voiceover }))
            }
            Self::Voiceover => {
                whole("voiceover", json!({ "text": format!("This is narration {name}.") }))
            }
            Self::Media { model, trouble } => {
                let (route, prompt, rest) = MODELS[*model];
                let mut body: Value = serde_json::from_str(rest).unwrap_or_default();
                body[prompt] = format!("{trouble} {subject}").into();
                body["project_id"] = project.into();
                (route, body)
            }
        }
    }
}

/// The name of the job that stands in a prompt.
pub(crate) fn name_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("job:")?;
    Some(rest.split_once(';')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_job_is_found_in_its_prompt() {
        for model in 0..MODELS.len() {
            let (_, body) = Task::Media { model, trouble: "[cut]" }.submit("1-2-3", "p");
            assert_eq!(name_in(&body.to_string()), Some("1-2-3"));
        }
        assert_eq!(name_in("nothing of ours"), None);
    }
}
