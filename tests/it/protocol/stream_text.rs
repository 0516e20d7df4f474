//! § 2: the text of a post, its narration, and jobs that are taken up again.

use serde_json::json;

use crate::harness::reader::text_of;
use crate::harness::{Message, TestServer};

use super::{Killable, Provider, about_the_job, cursor, lock_database, names, read_until, unlock};

/// The data of the `artifact_ready` of a file of this kind.
fn file<'a>(messages: &'a [Message], kind: &str) -> &'a serde_json::Value {
    let found = messages.iter().rfind(|message| message.data["artifact"]["kind"] == kind);
    &found.unwrap_or_else(|| panic!("no {kind}: {:?}", names(messages))).data["artifact"]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p14_a_narration_is_there_when_it_is_announced() {
    let server = TestServer::start().await;
    let job = server.submit_blog("how tides work", true).await;
    let mut reader = server.follow(&job).await;
    let ready = loop {
        let ready = reader.until("artifact_ready").await;
        if ready.data["artifact"]["kind"] == "voice" {
            break ready;
        }
    };
    let artifact = &ready.data["artifact"];
    let url = artifact["url"].as_str().unwrap();
    let response = server.http.get(server.url(url)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let bytes = response.bytes().await.unwrap();
    assert_eq!((&bytes[..4], json!(bytes.len())), (&b"RIFF"[..], artifact["bytes"].clone()));
    let spoken = reader.next().await.unwrap();
    assert_eq!(spoken.event, "tts_completed", "it comes right after");
    assert_eq!((&spoken.data["artifact_id"], &spoken.data["url"]), (&artifact["id"], &json!(url)));
    assert_eq!(spoken.data["duration_ms"], artifact["duration_ms"]);
    assert!(spoken.data["voice"].as_str().is_some_and(|voice| !voice.is_empty()));
    assert_eq!(reader.read_to_end().await.last().unwrap().event, "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p14_a_narration_can_be_fetched_before_it_is_committed() {
    let mut provider = Provider::start().await;
    let base_url = provider.base_url.clone();
    let server = TestServer::with(|settings| settings.speech_base_url = Some(base_url)).await;
    let body = json!({ "kind": "voiceover", "input": { "text": "High water comes twice a day." } });
    let job = server.submit(&body).await;
    let mut reader = server.follow(&job).await;
    let call = provider.call().await;
    let lock = lock_database(&server.database()).await;
    call.speak().await;
    let spoken = reader.until("tts_completed").await;
    let url = server.url(spoken.data["url"].as_str().unwrap());
    let response = server.http.get(&url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(&response.bytes().await.unwrap()[..4], b"RIFF");
    let head = server.http.head(&url).header("range", "bytes=0-3").send().await.unwrap();
    assert_eq!(head.status(), 200);
    unlock(lock).await;
    assert_eq!(reader.read_to_end().await.last().unwrap().event, "completed");
}

/// Asserts that no text of an attempt comes before its `status`, or a snapshot of it; gives the newest attempt.
fn newest_attempt(messages: &[Message]) -> u64 {
    let mut current = 0;
    for message in messages {
        let Some(attempt) = message.data["attempt"].as_u64() else { continue };
        match message.event.as_str() {
            "status" => {
                assert!(attempt >= current, "{message:?}");
                current = attempt;
            }
            // It comes after a gap: what is in front of it may be gone.
            "snapshot" => current = attempt,
            "content" => assert_eq!(attempt, current, "{message:?}"),
            _ => {}
        }
    }
    current
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p15_a_job_that_a_restart_interrupts_says_that_it_begins_again() {
    let mut provider = Provider::start().await;
    let base_url = provider.base_url.clone();
    let server = TestServer::with(|settings| settings.chat_base_url = Some(base_url)).await;
    let job = server.submit_blog("how tides work", false).await;
    let mut reader = server.follow(&job).await;
    let call = provider.call().await;
    call.write("# A first try").await;
    let mut messages = read_until(&mut reader, "content").await;
    let (server, rest) = tokio::join!(server.restart(), reader.read_to_end());
    messages.extend(rest);
    let seen = about_the_job(&messages).last().map(cursor);
    let mut reader = server.follow_from(&job, seen.as_deref()).await;
    let call = provider.call().await;
    call.write("# A second try").await;
    call.finish().await;
    let rest = reader.read_to_end().await;
    assert!(!names(&rest).contains(&"gap"), "{rest:?}");
    let of_second = |message: &&Message| message.data["attempt"] == 2;
    let news = about_the_job(&rest);
    let begun = news.iter().find(of_second).unwrap();
    assert_eq!((&*begun.event, &begun.data["status"]), ("status", &json!("running")));
    messages.extend(rest);
    assert_eq!(newest_attempt(&messages), 2);
    assert_eq!(messages.last().unwrap().event, "completed");
    assert_eq!(text_of(&messages), "# A second try");
    let url = file(&messages, "markdown")["url"].as_str().unwrap();
    let body = server.http.get(server.url(url)).send().await.unwrap().text().await.unwrap();
    assert_eq!(body, "# A second try");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p15_a_job_that_a_crash_interrupts_says_that_it_begins_again() {
    let mut provider = Provider::start().await;
    let base_url = provider.base_url.clone();
    let flags = ["--chat-base-url", &base_url];
    let server = Killable::start(&flags).await;
    let body = json!({ "kind": "blog", "input": { "topic": "how tides work", "words": 80 } });
    let job = server.submit(&body).await["job_id"].as_str().unwrap().to_owned();
    let mut reader = server.follow_from(&job, None).await;
    let first = provider.call().await;
    first.write("# A first try").await;
    let mut messages = read_until(&mut reader, "content").await;
    let killed = server.kill().await;
    messages.extend(reader.read_to_end().await);
    let seen = about_the_job(&messages).last().map(cursor);
    drop(first);
    let server = killed.start(&flags).await;
    let mut reader = server.follow_from(&job, seen.as_deref()).await;
    let call = provider.call().await;
    call.write("# A second try").await;
    call.finish().await;
    messages.extend(reader.read_to_end().await);
    assert_eq!(newest_attempt(&messages), 2);
    assert_eq!(text_of(&messages), "# A second try");
    let url = file(&messages, "markdown")["url"].as_str().unwrap();
    assert_eq!(server.text(url).await, "# A second try");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p16_the_pieces_are_the_file_to_the_byte() {
    let server = TestServer::start().await;
    let topic = "Crêpes 🥞 à la 👩‍🍳 — naïve façades, 日本語 and e\u{301}";
    let body = json!({ "kind": "blog", "input": { "topic": topic, "words": 400 } });
    let job = server.submit(&body).await;
    let messages = server.follow(&job).await.read_to_end().await;
    let pieces: Vec<_> = messages.iter().filter(|message| message.event == "content").collect();
    let mut offset = 0;
    for (index, piece) in pieces.iter().enumerate() {
        assert_eq!(piece.data["index"], index);
        assert_eq!(piece.data["offset"], offset);
        assert_eq!(piece.data["attempt"], 1);
        assert!(piece.data["at"].is_u64());
        let length = piece.data["text"].as_str().unwrap().chars().count();
        assert!((1..=500).contains(&length), "{length}");
        offset += length;
    }
    assert!(pieces.len() > 2, "{} pieces", pieces.len());
    let artifact = file(&messages, "markdown");
    let url = server.url(artifact["url"].as_str().unwrap());
    let bytes = server.http.get(&url).send().await.unwrap().bytes().await.unwrap();
    let text = text_of(&messages);
    assert_eq!(bytes, text.as_bytes());
    assert_eq!(artifact["bytes"], bytes.len());
    assert!(text.contains('🥞') && text.contains("naïve"), "{text}");
    let summary = &messages.last().unwrap().data;
    assert_eq!(summary["characters"], offset);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p16_no_piece_is_longer_than_500_characters_however_the_model_cuts_its_text() {
    let mut provider = Provider::start().await;
    let base_url = provider.base_url.clone();
    let server = TestServer::with(|settings| settings.chat_base_url = Some(base_url)).await;
    let text =
        "# 👩\u{200d}🍳\r\n\n".to_owned() + &"e\u{301}👩\u{200d}👧🇫🇷 ß\t".repeat(150) + "\n\n";
    let job = server.submit_blog("everything", false).await;
    let call = provider.call().await;
    // Inside of graphemes too, and then far more than a piece at once.
    let (early, late) = text.split_at(text.char_indices().nth(40).unwrap().0);
    for one in early.chars() {
        call.write(&one.to_string()).await;
    }
    call.write(late).await;
    call.finish().await;
    let messages = server.follow(&job).await.read_to_end().await;
    assert_eq!(text_of(&messages), text);
    let pieces = messages.iter().filter(|message| message.event == "content");
    let lengths: Vec<_> =
        pieces.map(|piece| piece.data["text"].as_str().unwrap().chars().count()).collect();
    assert!(lengths.iter().all(|length| (1..=500).contains(length)), "{lengths:?}");
    let url = server.url(file(&messages, "markdown")["url"].as_str().unwrap());
    let bytes = server.http.get(&url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, text.as_bytes());
}
