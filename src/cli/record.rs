//! `tailwater record`.

use std::fmt::Write;

use crate::client::PageEvent;

use super::{Failure, args, client, out, watch};

/// What a shell reports for a process that nobody read from any more.
const BROKEN_PIPE: u8 = 141;

pub(super) async fn run(args: args::Record) -> Result<u8, Failure> {
    let target = watch::target(&args.target)?;
    let client = client(target.server().unwrap_or(&args.server.address))?;
    let (mut after, mut ended) = (0, false);
    loop {
        let page = client.events(target.job(), after).await?;
        if page.has_gap {
            out::note("the beginning is gone: it was too long ago");
        }
        let lines: String = page.events.iter().filter_map(line).collect();
        if out::print(&lines).is_err() {
            return Ok(BROKEN_PIPE);
        }
        ended |= page.ended;
        if page.events.is_empty() || page.ended {
            break;
        }
        after = page.next;
    }
    if !ended {
        out::note("the job goes on: this is what it had by now");
    }
    Ok(0)
}

/// An event as the ingest API takes it, and when it came; nothing for what the server says itself.
///
/// A file belongs to one job, so that of another one cannot be announced again: it goes under a name
/// that means nothing to the server.
fn line(event: &PageEvent) -> Option<String> {
    let prefix = match event.name.as_str() {
        "status" => return None,
        "artifact_ready" | "tts_completed" => "recorded.",
        _ => "",
    };
    let mut line = String::new();
    let (name, data, at) = (&event.name, event.data.get(), event.at);
    writeln!(line, r#"{{"type":"{prefix}{name}","data":{data},"at":{at}}}"#)
        .expect("a string grows");
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str) -> PageEvent {
        let data = serde_json::value::RawValue::from_string(r#"{"a": 1.50}"#.to_owned());
        PageEvent { id: 5, name: name.to_owned(), at: 7, data: data.expect("it is JSON") }
    }

    #[test]
    fn an_event_keeps_its_bytes_and_its_time() {
        let line = line(&event("content")).unwrap();
        assert_eq!(line, "{\"type\":\"content\",\"data\":{\"a\": 1.50},\"at\":7}\n");
    }

    #[test]
    fn what_the_server_says_itself_is_left_out_and_files_are_renamed() {
        assert!(line(&event("status")).is_none());
        assert!(line(&event("artifact_ready")).unwrap().contains("\"recorded.artifact_ready\""));
    }
}
