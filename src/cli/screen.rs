//! What a watched job looks like in a terminal.
//!
//! Text goes to standard output as it comes, and so do the addresses of videos and images. A progress bar lives on standard error, and, where both
//! are the same terminal, only while no line of text is being written: a bar that is redrawn would
//! overwrite the line.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::client::WatchEvent;
use crate::credits::Micro;

use super::out;
use super::passage::Passage;

/// Shows the events of one watched job.
#[derive(Debug)]
pub(super) struct Screen {
    /// Print events as lines of JSON and nothing else.
    json: bool,
    /// Where links of the job lead to.
    server: String,
    /// Whether text and bar share a terminal's lines.
    shared: bool,
    bar: Option<ProgressBar>,
    /// The last stage that was told to a standard error that is no terminal.
    stage: String,
    passage: Passage,
    /// The files whose addresses were told.
    told: Vec<String>,
    /// Whether the text stands in the middle of a line.
    mid_line: bool,
}

impl Screen {
    pub(super) fn new(server: &str, json: bool) -> Self {
        Self {
            json,
            server: server.trim_end_matches('/').to_owned(),
            shared: io::stdout().is_terminal() && io::stderr().is_terminal(),
            bar: None,
            stage: String::new(),
            passage: Passage::default(),
            told: Vec::new(),
            mid_line: false,
        }
    }

    /// Shows one event.
    ///
    /// # Errors
    /// When nobody reads standard output any more.
    pub(super) fn show(&mut self, event: &WatchEvent) -> io::Result<()> {
        if self.json {
            return out::print(&format!("{}\n", line_of(event)));
        }
        match event {
            WatchEvent::Event(event) => self.fact(&event.name, &event.data)?,
            WatchEvent::Snapshot(event) => {
                self.text(&event.data, "text_offset")?;
                self.progress(&event.data["progress"])?;
                for artifact in event.data["artifacts"].as_array().into_iter().flatten() {
                    self.result(artifact)?;
                }
            }
            WatchEvent::Gap(_) => self.say("older events are gone; going on with what is kept")?,
            WatchEvent::Queue(data) => {
                self.progress(&json!({ "percent": 0, "stage": "queued", "message": place(data) }))?;
            }
            WatchEvent::Reconnecting(reconnect) => {
                let delay_ms = reconnect.delay.as_millis();
                self.say(&format!("{}; going on in {delay_ms} ms", reconnect.reason))?;
            }
            WatchEvent::Polling { reason } => self.say(&format!("{reason}; polling instead"))?,
            WatchEvent::Hello(_) | WatchEvent::Bye(_) => {}
        }
        Ok(())
    }

    /// Leaves standard output at the start of a line and standard error without a bar.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.clear();
        self.end_line()
    }

    fn fact(&mut self, name: &str, data: &Value) -> io::Result<()> {
        match name {
            "content" => self.text(data, "offset"),
            "progress" => self.progress(data),
            "log" => self.say(word(data, "line")),
            "artifact_ready" => match word(&data["artifact"], "kind") {
                "video" | "image" => self.result(&data["artifact"]),
                _ => self.say(&self.artifact(&data["artifact"])),
            },
            "completed" => self.say(&completed(data)),
            "failed" => {
                self.say(&format!("failed: {} ({})", word(data, "message"), word(data, "code")))
            }
            "canceled" => self.say(&format!("canceled: {}", word(data, "reason"))),
            // Other workers' events are for programs: `--json` shows them.
            _ => Ok(()),
        }
    }

    fn text(&mut self, data: &Value, offset: &str) -> io::Result<()> {
        let attempt = data["attempt"].as_u64().unwrap_or(0);
        let offset = data[offset].as_u64().unwrap_or(0);
        let fresh = self.passage.take(attempt, offset, word(data, "text"));
        if fresh.restarted {
            self.say(&format!("the text begins again (attempt {attempt})"))?;
        }
        if fresh.text.is_empty() {
            return Ok(());
        }
        if self.shared {
            self.clear();
        }
        self.mid_line = !fresh.text.ends_with('\n');
        if io::stdout().is_terminal() {
            out::print(&out::harmless(fresh.text))
        } else {
            out::print(fresh.text)
        }
    }

    fn progress(&mut self, data: &Value) -> io::Result<()> {
        let stage = word(data, "stage");
        let message = stage_words(stage, data["message"].as_str());
        if !io::stderr().is_terminal() {
            if stage != self.stage {
                stage.clone_into(&mut self.stage);
                out::note(message);
            }
            return Ok(());
        }
        if self.shared && self.mid_line {
            if stage == "writing" {
                return Ok(());
            }
            self.end_line()?;
        }
        let bar = self.bar.get_or_insert_with(bar);
        bar.set_position(data["percent"].as_u64().unwrap_or(0));
        bar.set_message(out::harmless(message).replace('\n', " "));
        Ok(())
    }

    /// Says a line on standard error, beside the bar and below the text.
    fn say(&mut self, line: &str) -> io::Result<()> {
        if self.shared {
            self.end_line()?;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| out::note(line)),
            None => out::note(line),
        }
        Ok(())
    }

    /// Tells a video or an image, once: about it beside the bar, its address on standard output.
    fn result(&mut self, artifact: &Value) -> io::Result<()> {
        let (id, kind) = (word(artifact, "id"), word(artifact, "kind"));
        if !matches!(kind, "video" | "image") || self.told.iter().any(|told| told == id) {
            return Ok(());
        }
        self.told.push(id.to_owned());
        self.say(&about(artifact))?;
        let line = format!("{}\n", self.address(artifact));
        match &self.bar {
            Some(bar) if self.shared => bar.suspend(|| out::print(&line)),
            _ => out::print(&line),
        }
    }

    fn artifact(&self, artifact: &Value) -> String {
        let bytes = artifact["bytes"].as_u64().unwrap_or(0);
        let media_type = word(artifact, "media_type");
        let address = self.address(artifact);
        format!("ready: {} ({media_type}, {bytes} bytes) {address}", word(artifact, "kind"))
    }

    fn address(&self, artifact: &Value) -> String {
        let url = word(artifact, "url");
        let server = if url.contains("://") { "" } else { &self.server };
        out::harmless(&format!("{server}{url}")).replace('\n', " ")
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn end_line(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.mid_line) { out::print("\n") } else { Ok(()) }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {bar:30} {pos:>3} % {wide_msg}");
    let bar = ProgressBar::new(100).with_style(style.expect("the template is valid"));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// An event as one line of JSON.
fn line_of(event: &WatchEvent) -> Value {
    let control = |name: &str, data: &Value| json!({ "event": name, "data": data });
    match event {
        WatchEvent::Event(event) | WatchEvent::Snapshot(event) => {
            json!({ "id": event.id, "event": event.name, "data": event.data })
        }
        WatchEvent::Hello(data) => control("hello", data),
        WatchEvent::Gap(data) => control("gap", data),
        WatchEvent::Queue(data) => control("queue", data),
        WatchEvent::Bye(data) => control("bye", data),
        WatchEvent::Reconnecting(reconnect) => {
            let delay_ms = u64::try_from(reconnect.delay.as_millis()).unwrap_or(u64::MAX);
            control("reconnecting", &json!({ "delay_ms": delay_ms, "reason": reconnect.reason }))
        }
        WatchEvent::Polling { reason } => control("polling", &json!({ "reason": reason })),
    }
}

fn word<'a>(data: &'a Value, name: &str) -> &'a str {
    data[name].as_str().unwrap_or_default()
}

fn place(data: &Value) -> String {
    match data["position"].as_u64() {
        Some(position) => format!("waiting, number {position} in the queue"),
        None => "waiting".to_owned(),
    }
}

/// What is being done, for people. Some providers draw their own bar into their message: ours is
/// there already.
fn stage_words<'a>(stage: &'a str, message: Option<&'a str>) -> &'a str {
    match message.filter(|message| !message.contains("%|")) {
        Some(message) => message,
        None if stage == "starting" => "starting at the provider",
        None if stage == "downloading" => "fetching the file",
        None => stage,
    }
}

/// What a video or an image is: `ready: video, 1280 × 720, 5.0 s, 1.2 MB`.
fn about(artifact: &Value) -> String {
    let number = |name: &str| artifact[name].as_u64();
    let mut facts = vec![format!("ready: {}", word(artifact, "kind"))];
    if let (Some(width), Some(height)) = (number("width"), number("height")) {
        facts.push(format!("{width} × {height}"));
    }
    let length = number("duration_ms");
    facts.extend(length.map(|ms| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)));
    facts.push(out::size(number("bytes").unwrap_or(0)));
    facts.join(", ")
}

/// That it is done, and what it is or what it cost.
fn completed(data: &Value) -> String {
    let cost = data["cost"].as_i64().map(|cost| format!("cost {} credits", Micro::new(cost)));
    let simulated = (data["simulated"] == true).then(|| "simulated".to_owned());
    let title = data["title"].as_str().map(str::to_owned);
    let facts: Vec<_> = [title, cost, simulated].into_iter().flatten().collect();
    match facts.as_slice() {
        [] => "completed".to_owned(),
        facts => format!("completed: {}", facts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Reconnect, StreamEvent};

    #[test]
    fn a_line_of_json_has_id_event_and_data() {
        let data = json!({ "text": "x" });
        let event = StreamEvent { id: 7, name: "content".to_owned(), data: data.clone() };
        let line = line_of(&WatchEvent::Event(event));
        assert_eq!(line, json!({ "id": 7, "event": "content", "data": data }));
        assert_eq!(
            line_of(&WatchEvent::Hello(json!({ "attempt": 1 }))),
            json!({ "event": "hello", "data": { "attempt": 1 } })
        );
    }

    #[test]
    fn a_reconnect_is_told_in_milliseconds() {
        let reconnect =
            Reconnect { delay: Duration::from_millis(1500), reason: "it broke".to_owned() };
        assert_eq!(
            line_of(&WatchEvent::Reconnecting(reconnect))["data"],
            json!({ "delay_ms": 1500, "reason": "it broke" })
        );
    }

    #[test]
    fn that_it_polls_is_told_with_the_reason() {
        let polling = WatchEvent::Polling { reason: "held back".to_owned() };
        assert_eq!(
            line_of(&polling),
            json!({ "event": "polling", "data": { "reason": "held back" } })
        );
    }

    #[test]
    fn a_link_that_is_relative_leads_to_the_server() {
        let screen = Screen::new("http://host:1/", false);
        let artifact = json!({
            "kind": "voice", "media_type": "audio/wav", "bytes": 44, "url": "/api/artifacts/a/content",
        });
        assert_eq!(
            screen.artifact(&artifact),
            "ready: voice (audio/wav, 44 bytes) http://host:1/api/artifacts/a/content"
        );
    }

    #[test]
    fn a_video_is_told_with_what_it_is_and_an_end_with_what_it_cost() {
        let video = json!({
            "kind": "video", "bytes": 26_009, "width": 640, "height": 360, "duration_ms": 3_040,
        });
        assert_eq!(about(&video), "ready: video, 640 × 360, 3.0 s, 26.0 kB");
        assert_eq!(about(&json!({ "kind": "image", "bytes": 7 })), "ready: image, 7 bytes");
        let end = json!({ "cost": 300_000, "simulated": true });
        assert_eq!(completed(&end), "completed: cost 0.30 credits, simulated");
        assert_eq!(completed(&json!({ "title": "Tides" })), "completed: Tides");
        assert_eq!(completed(&json!({})), "completed");
    }

    #[test]
    fn a_stage_is_told_in_words_and_without_another_bar() {
        assert_eq!(stage_words("generating", Some("16%|█ | 8/50")), "generating");
        assert_eq!(
            stage_words("queued", Some("3 in front at the provider")),
            "3 in front at the provider"
        );
        assert_eq!(stage_words("downloading", None), "fetching the file");
    }
}
