//! A text, spoken by an OpenAI-compatible `POST /audio/speech`.
//!
//! WAV is asked for, since parts of a long text are joined sample by sample. What comes back is
//! believed by its first bytes and not by its `content-type`: servers name WAV in half a dozen ways,
//! and some send MP3 whatever they were asked for.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response};
use secrecy::SecretString;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::error::Error;
use super::http::{Endpoint, cut};

/// Where and how to ask.
#[derive(Debug, Clone)]
pub struct Options {
    /// The base URL with its version, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key; local servers need none.
    pub api_key: Option<SecretString>,
    /// The model's name at the provider.
    pub model: String,
    /// The voice of a request that names none.
    pub voice: String,
    /// How long one part may take, from the request to the last byte.
    pub timeout: Duration,
    /// The largest file that is taken, in bytes.
    pub max_bytes: usize,
    /// The longest text of one request, in Unicode scalar values. `OpenAI` takes 4096.
    pub max_characters: usize,
    /// Whether the text's language is sent along. `OpenAI`'s API has no such field and hears the
    /// language; our simulator's voice has to be told it.
    pub send_language: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            api_key: None,
            model: "gpt-4o-mini-tts".to_owned(),
            voice: "alloy".to_owned(),
            timeout: Duration::from_secs(180),
            max_bytes: 64 << 20,
            max_characters: 4096,
            send_language: false,
        }
    }
}

/// A client of one speech model; cheap to clone.
#[derive(Debug, Clone)]
pub struct Speech {
    endpoint: Endpoint,
    model: String,
    voice: String,
    timeout: Duration,
    max_bytes: usize,
    max_characters: usize,
    send_language: bool,
}

/// What is to be spoken, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpeechRequest {
    /// Plain text, at most [`Speech::max_characters`].
    pub text: String,
    /// The voice; the default one when absent.
    pub voice: Option<String>,
    /// The text's language as a BCP 47 tag, for providers that have to be told.
    pub language: Option<String>,
    /// The pace, 1.0 being the voice's own; `OpenAI` takes 0.25 to 4.
    pub speed: Option<f32>,
}

impl Speech {
    /// A client; `client` comes from [`super::client`].
    #[must_use]
    pub fn new(client: Client, options: Options) -> Self {
        Self {
            endpoint: Endpoint::new(client, &options.base_url, "audio/speech", options.api_key),
            model: options.model,
            voice: options.voice,
            timeout: options.timeout,
            max_bytes: options.max_bytes,
            max_characters: options.max_characters,
            send_language: options.send_language,
        }
    }

    /// The longest text of one request, in Unicode scalar values; longer ones are cut by the caller.
    #[must_use]
    pub fn max_characters(&self) -> usize {
        self.max_characters
    }

    /// The voice of a request that names none.
    #[must_use]
    pub fn default_voice(&self) -> &str {
        &self.voice
    }

    /// Has a text spoken; returns the bytes of a WAV file as they came, whose sizes may be
    /// placeholders.
    ///
    /// # Errors
    /// [`Error::RefusedInput`] for no text or too much of it, [`Error::Protocol`] for an answer that
    /// is no WAV file or too large, [`Error::Truncated`] for one that was cut, [`Error::Timeout`],
    /// or what the provider said.
    pub async fn speak(&self, request: &SpeechRequest) -> Result<Bytes, Error> {
        self.check(&request.text)?;
        let deadline = Instant::now() + self.timeout;
        let response = self.endpoint.post(&self.body(request), self.timeout).await?;
        if matches!(super::http::media_type(&response), "application/json") {
            return Err(self.endpoint.unexpected(response, "a WAV file").await);
        }
        let file = timeout_at(deadline, self.download(response))
            .await
            .map_err(|_| Error::Timeout { waited: self.timeout })??;
        match what_is(&file) {
            Format::Wav => Ok(file),
            Format::Other(name) => {
                Err(Error::Protocol { message: format!("{name} came instead of a WAV file") })
            }
        }
    }

    fn check(&self, text: &str) -> Result<(), Error> {
        let characters = text.chars().count();
        let message = if text.trim().is_empty() {
            "there is no text to speak".to_owned()
        } else if characters > self.max_characters {
            format!("the text has {characters} characters, {} are allowed", self.max_characters)
        } else {
            return Ok(());
        };
        Err(Error::RefusedInput { message })
    }

    fn body<'a>(&'a self, request: &'a SpeechRequest) -> Body<'a> {
        Body {
            model: &self.model,
            input: &request.text,
            voice: request.voice.as_deref().unwrap_or(&self.voice),
            response_format: "wav",
            speed: request.speed,
            language: request.language.as_deref().filter(|_| self.send_language),
        }
    }

    async fn download(&self, mut response: Response) -> Result<Bytes, Error> {
        let mut file = BytesMut::new();
        while let Some(bytes) = response.chunk().await.map_err(cut)? {
            if file.len() + bytes.len() > self.max_bytes {
                let message = format!("a file of more than {} bytes", self.max_bytes);
                return Err(Error::Protocol { message });
            }
            file.extend_from_slice(&bytes);
        }
        Ok(file.freeze())
    }
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a str,
    voice: &'a str,
    response_format: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
}

#[derive(Debug, PartialEq, Eq)]
enum Format {
    Wav,
    Other(&'static str),
}

/// Tells a file's format by its first bytes.
fn what_is(file: &[u8]) -> Format {
    match file {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Format::Wav,
        [] => Format::Other("an empty body"),
        [b'I', b'D', b'3', ..] => Format::Other("MP3"),
        // The frame header of MPEG audio is 11 set bits; layer bits of zero make it AAC (ADTS).
        [0xFF, second, ..] if second & 0xF6 == 0xF0 => Format::Other("AAC"),
        [0xFF, second, ..] if second & 0xE0 == 0xE0 => Format::Other("MP3"),
        [b'O', b'g', b'g', b'S', ..] => Format::Other("Ogg (Opus or Vorbis)"),
        [b'f', b'L', b'a', b'C', ..] => Format::Other("FLAC"),
        [b'{', ..] => Format::Other("JSON"),
        [b'<', ..] => Format::Other("HTML or XML"),
        _ => Format::Other("something unknown (raw PCM, perhaps)"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::testing::{Ending, drip, serve};
    use super::super::local_client;
    use super::*;
    use axum::Router;
    use axum::routing::post;
    use serde_json::{Value, json};
    use std::sync::{Arc, Mutex};

    const WAV: &[u8] = b"RIFF\x2c\0\0\0WAVEfmt ";

    async fn speech(router: Router) -> Speech {
        let options = Options {
            base_url: serve(router).await,
            model: "m".to_owned(),
            max_bytes: 64,
            max_characters: 10,
            ..Options::default()
        };
        Speech::new(local_client().unwrap(), options)
    }

    async fn dripping(pieces: Vec<Vec<u8>>, ending: Ending) -> Speech {
        let answer = move || async move { ([("content-type", "text/html")], drip(pieces, ending)) };
        speech(Router::new().route("/v1/audio/speech", post(answer))).await
    }

    fn say(text: &str) -> SpeechRequest {
        SpeechRequest { text: text.to_owned(), ..SpeechRequest::default() }
    }

    #[tokio::test]
    async fn a_wav_file_comes_back_whole_whatever_its_type_is_called() {
        let speech = dripping(WAV.chunks(3).map(<[u8]>::to_vec).collect(), Ending::Proper).await;
        assert_eq!(speech.speak(&say("hi")).await.unwrap(), WAV);
    }

    #[tokio::test]
    async fn the_language_is_sent_only_to_who_knows_the_field() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = {
            let seen = Arc::clone(&seen);
            move |axum::Json(body): axum::Json<Value>| async move {
                seen.lock().unwrap().push(body);
                WAV
            }
        };
        let mut speech = speech(Router::new().route("/v1/audio/speech", post(record))).await;
        let request =
            SpeechRequest { language: Some("de".to_owned()), speed: Some(1.5), ..say("hi") };
        speech.speak(&request).await.unwrap();
        speech.send_language = true;
        speech.speak(&SpeechRequest { voice: Some("nova".to_owned()), ..request }).await.unwrap();
        let plain = json!({"model": "m", "input": "hi", "voice": "alloy", "response_format": "wav", "speed": 1.5});
        let mut told = plain.clone();
        told["voice"] = json!("nova");
        told["language"] = json!("de");
        assert_eq!(*seen.lock().unwrap(), [plain, told]);
    }

    #[tokio::test]
    async fn a_cut_file_is_an_error() {
        let speech = dripping(vec![WAV.to_vec()], Ending::Cut).await;
        assert_eq!(speech.speak(&say("hi")).await.unwrap_err().code(), "truncated");
    }

    #[tokio::test]
    async fn a_file_that_never_ends_is_a_timeout() {
        let mut speech = dripping(vec![WAV.to_vec()], Ending::Never).await;
        speech.timeout = Duration::from_millis(100);
        let error = speech.speak(&say("hi")).await.unwrap_err();
        assert_eq!(error, Error::Timeout { waited: Duration::from_millis(100) });
    }

    #[tokio::test]
    async fn a_file_over_the_bound_is_refused() {
        let speech = dripping(vec![WAV.to_vec(); 10], Ending::Never).await;
        let message = "a file of more than 64 bytes".to_owned();
        assert_eq!(speech.speak(&say("hi")).await.unwrap_err(), Error::Protocol { message });
    }

    #[tokio::test]
    async fn a_file_of_another_format_is_named() {
        let formats: [(&[u8], &str); 5] = [
            (b"ID3\x04", "MP3"),
            (b"\xFF\xFB\x90", "MP3"),
            (b"\xFF\xF1\x50", "AAC"),
            (b"OggS", "Ogg"),
            (b"", "an empty body"),
        ];
        for (bytes, name) in formats {
            let speech = dripping(vec![bytes.to_vec()], Ending::Proper).await;
            let error = speech.speak(&say("hi")).await.unwrap_err();
            assert_eq!(error.code(), "protocol");
            assert!(error.to_string().contains(&format!("{name} ")), "{error}");
        }
    }

    #[tokio::test]
    async fn an_error_that_comes_with_success_is_still_an_error() {
        let json = || async {
            axum::Json(json!({"error": {"message": "no", "code": "insufficient_quota"}}))
        };
        let speech = speech(Router::new().route("/v1/audio/speech", post(json))).await;
        assert_eq!(speech.speak(&say("hi")).await.unwrap_err().code(), "out_of_funds");
    }

    #[tokio::test]
    async fn no_text_or_too_much_is_refused_before_it_is_sent() {
        let speech = speech(Router::new()).await;
        for text in ["", " \n", "12345678901"] {
            assert_eq!(
                speech.speak(&say(text)).await.unwrap_err().code(),
                "refused_input",
                "{text:?}"
            );
        }
    }
}
