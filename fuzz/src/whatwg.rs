//! A second reader of event streams: slow, and to the letter of the WHATWG text, section 9.2.6
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>).
//!
//! It shares nothing with the crate's parser. It has the whole stream before it, decodes it first,
//! splits it into lines and follows the steps one by one.

use tailwater::event::parse::{Item, Message};

/// Everything that a stream says, and the last event id at its end.
pub fn read(stream: &[u8]) -> (Vec<Item>, String) {
    let text = String::from_utf8_lossy(stream);
    // "Streams must be decoded using the UTF-8 decode algorithm", which strips one BOM.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (mut items, mut data, mut event) = (Vec::new(), String::new(), String::new());
    let (mut id_buffer, mut last_event_id) = (String::new(), String::new());
    for line in lines(text) {
        if line.is_empty() {
            last_event_id.clone_from(&id_buffer);
            if data.is_empty() {
                event.clear();
                continue;
            }
            assert_eq!(data.pop(), Some('\n'), "the last character of the data buffer");
            items.push(Item::Message(Message {
                event: if event.is_empty() { "message".to_owned() } else { event.clone() },
                data: data.clone(),
                last_event_id: last_event_id.clone(),
            }));
            data.clear();
            event.clear();
            continue;
        }
        let (field, value) = match line.find(':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line.as_str(), ""),
        };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            // A comment is ignored by the text; the crate tells of it.
            "" => items.push(Item::Comment(value.to_owned())),
            "event" => event = value.to_owned(),
            "data" => data = data + value + "\n",
            "id" if !value.contains('\0') => id_buffer = value.to_owned(),
            "retry" if !value.is_empty() && value.chars().all(|one| one.is_ascii_digit()) => {
                // What a number of a browser holds exactly is the most that is told.
                let most = (1_u64 << 53) - 1;
                items.push(Item::Retry(value.parse().unwrap_or(most).min(most)));
            }
            _ => {}
        }
    }
    (items, last_event_id)
}

/// The lines that have an end: CR LF, LF or CR.
fn lines(text: &str) -> Vec<String> {
    let (mut lines, mut line, mut letters) = (Vec::new(), String::new(), text.chars().peekable());
    while let Some(letter) = letters.next() {
        match letter {
            '\r' => {
                letters.next_if_eq(&'\n');
                lines.push(std::mem::take(&mut line));
            }
            '\n' => lines.push(std::mem::take(&mut line)),
            letter => line.push(letter),
        }
    }
    lines
}
