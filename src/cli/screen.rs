//! What a watched job looks like in a terminal.
//!
//! Text goes to standard output as it comes. A progress bar lives on standard error, and, where both
//! are the same terminal, only while no line of text is being written: a bar that is redrawn would
//! overwrite the line.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::client::WatchEvent;

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
            }
            WatchEvent::Gap(_) => self.say("older events are gone; going on with what is kept")?,
            WatchEvent::Queue(data) => {
                self.progress(&json!({ "percent": 0, "stage": "queued", "message": place(data) }))?;
            }
            WatchEvent::Reconnecting(reconnect) => {
                let delay_ms = reconnect.delay.as_millis();
                self.say(&format!("{}; going on in {delay_ms} ms", reconnect.reason))?;
            }
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
            "artifact_ready" => self.say(&self.artifact(&data["artifact"])),
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
        let message = data["message"].as_str().unwrap_or(stage);
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

    fn artifact(&self, artifact: &Value) -> String {
        let url = word(artifact, "url");
        let server = if url.contains("://") { "" } else { &self.server };
        let bytes = artifact["bytes"].as_u64().unwrap_or(0);
        let media_type = word(artifact, "media_type");
        format!("ready: {} ({media_type}, {bytes} bytes) {server}{url}", word(artifact, "kind"))
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

fn completed(data: &Value) -> String {
    match data["title"].as_str() {
        Some(title) => format!("completed: {title}"),
        None => "completed".to_owned(),
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
}
