//! `tailwater submit`.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::client::{self as api, Submitted};

use super::args::{self, Blog, Chat, Common, Media, Voiceover, What};
use super::screen::Screen;
use super::{Failure, client, media, out, save, watch};

/// The most that is read from standard input, in bytes; the server takes less.
const INPUT_LIMIT: u64 = 16 << 20;

pub(super) async fn run(args: args::Submit) -> Result<u8, Failure> {
    match args.what {
        What::Blog(blog) => {
            let input = blog_input(&blog);
            send(Job { kind: "blog", model: None, input, output: None }, &blog.common).await
        }
        What::Voiceover(voiceover) => {
            let input = voiceover_input(&voiceover)?;
            send(Job { kind: "voiceover", model: None, input, output: None }, &voiceover.common)
                .await
        }
        What::Chat(chat) => {
            let input = chat_input(&chat)?;
            send(Job { kind: "chat", model: None, input, output: None }, &chat.common).await
        }
        What::Video(media) => make("video", media).await,
        What::Image(media) => make("image", media).await,
        What::Lipsync(media) => make("lipsync", media).await,
    }
}

/// What is submitted, and where the result is saved.
struct Job<'a> {
    kind: &'a str,
    model: Option<&'a str>,
    input: Value,
    output: Option<&'a Path>,
}

/// Submits what a model of the catalog makes.
async fn make(kind: &str, mut media: Media) -> Result<u8, Failure> {
    if let Some(output) = &media.output {
        save::check(output)?;
        media.common.watch = true;
    }
    let client = client(&media.common.server.address)?;
    let model = client.model(&media.model).await?;
    let input = media::input(&client, &model, &media).await?;
    // The name that was typed: several models may share it, and the input says which is meant.
    let (name, output) = (Some(media.model.as_str()), media.output.as_deref());
    send(Job { kind, model: name, input, output }, &media.common).await
}

async fn send(job: Job<'_>, common: &Common) -> Result<u8, Failure> {
    let client = client(&common.server.address)?;
    let submit = api::Submit {
        kind: job.kind.to_owned(),
        model: job.model.map(str::to_owned),
        input: job.input,
        project_id: common.project.clone(),
        allow_duplicate: common.allow_duplicate,
        webhook_url: common.webhook_url.clone(),
        ..api::Submit::default()
    };
    let submitted = client.submit(&submit).await?;
    announce(&submitted, common);
    if !common.watch {
        return Ok(0);
    }
    let stream = client.watch_url(&submitted.stream_url, 0);
    let mut screen = Screen::new(&common.server.address, common.json);
    let code = watch::follow(&client, stream, &submitted.job_id, &mut screen).await?;
    if let Some(output) = job.output.filter(|_| code == 0) {
        save::files(&client, &submitted.job_id, output).await?;
    }
    Ok(code)
}

/// Says what was submitted: on standard output, unless that is for what the job makes.
fn announce(submitted: &Submitted, common: &Common) {
    let job = &submitted.job_id;
    if submitted.deduplicated && !common.json {
        out::note("an identical job is in flight already; this is that one");
    }
    match (common.json, common.watch) {
        (true, _) => {
            out::print(&format!("{}\n", json!(submitted))).ok();
        }
        (false, true) => out::note(job),
        (false, false) => {
            out::print(&format!("{job}\n")).ok();
        }
    }
}

fn blog_input(blog: &Blog) -> Value {
    let mut input = Map::new();
    input.insert("topic".to_owned(), json!(blog.topic));
    if blog.voiceover {
        input.insert("voiceover".to_owned(), json!(true));
    }
    let optional = [("voice", &blog.voice), ("language", &blog.language), ("tone", &blog.tone)];
    for (name, value) in optional {
        if let Some(value) = value {
            input.insert(name.to_owned(), json!(value));
        }
    }
    if let Some(words) = blog.words {
        input.insert("words".to_owned(), json!(words));
    }
    input.into()
}

fn voiceover_input(voiceover: &Voiceover) -> Result<Value, Failure> {
    let text = text_or_input(&voiceover.text)?;
    Ok(match &voiceover.voice {
        Some(voice) => json!({ "text": text, "voice": voice }),
        None => json!({ "text": text }),
    })
}

fn chat_input(chat: &Chat) -> Result<Value, Failure> {
    let says = |role: &str, content: &str| json!({ "role": role, "content": content });
    let message = says("user", &text_or_input(&chat.message)?);
    let system = chat.system.as_deref().map(|system| says("system", system));
    let messages: Vec<_> = system.into_iter().chain([message]).collect();
    let mut input = json!({ "messages": messages });
    if chat.voiceover {
        input["voiceover"] = true.into();
    }
    if let Some(voice) = &chat.voice {
        input["voice"] = voice.as_str().into();
    }
    Ok(input)
}

/// A text that was typed; for `-`, standard input.
fn text_or_input(typed: &str) -> Result<String, Failure> {
    if typed == "-" { standard_input() } else { Ok(typed.to_owned()) }
}

/// All of standard input.
pub(super) fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(INPUT_LIMIT + 1).read_to_string(&mut text);
    match read {
        Ok(bytes) if bytes as u64 > INPUT_LIMIT => {
            Err(Failure::bad_input(format!("standard input is over {INPUT_LIMIT} bytes")))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::bad_input(format!("standard input cannot be read: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn blog(arguments: &[&str]) -> Value {
        let start = ["tailwater", "submit", "blog"];
        let cli = args::Cli::try_parse_from(start.iter().chain(arguments)).unwrap();
        match cli.into_command() {
            args::Command::Submit(args::Submit { what: What::Blog(blog) }) => blog_input(&blog),
            other => panic!("{other:?} is no blog"),
        }
    }

    #[test]
    fn a_message_is_a_conversation_of_one() {
        let said = ["tailwater", "submit", "chat", "Why?", "--system", "Be brief.", "--voiceover"];
        let cli = args::Cli::try_parse_from(said).unwrap();
        let args::Command::Submit(args::Submit { what: What::Chat(chat) }) = cli.into_command()
        else {
            panic!("it is a chat");
        };
        let messages = json!([
            { "role": "system", "content": "Be brief." }, { "role": "user", "content": "Why?" },
        ]);
        let Ok(input) = chat_input(&chat) else { panic!("nothing is read") };
        assert_eq!(input, json!({ "messages": messages, "voiceover": true }));
    }

    #[test]
    fn only_what_was_said_is_sent() {
        assert_eq!(blog(&["Tides"]), json!({ "topic": "Tides" }));
        assert_eq!(
            blog(&["Tides", "--voiceover", "--voice", "nova", "--words", "300", "--tone", "dry"]),
            json!({
                "topic": "Tides", "voiceover": true, "voice": "nova", "words": 300, "tone": "dry",
            })
        );
    }
}
