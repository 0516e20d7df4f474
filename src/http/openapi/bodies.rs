//! Bodies that handlers read by hand.

use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::job::Kind;
use crate::job::input::Message;

/// A job that is wanted.
#[derive(Debug, ToSchema)]
#[schema(examples(
    json!({ "kind": "blog", "input": { "topic": "Why the sea is salty", "words": 120 } }),
    json!({ "kind": "video", "model": "seedance-t2v", "input": { "prompt": "a kite" } }),
    json!({ "kind": "external", "silence_limit_ms": 60_000 }),
))]
pub struct NewJob {
    /// What is to be made.
    pub kind: Kind,
    /// Of a `video`, an `image`, a `lipsync`: a slug of `GET /api/models`.
    #[schema(nullable = false)]
    pub model: Option<String>,
    /// What is asked for; its fields are those of the kind.
    pub input: Option<JobInput>,
    /// Whose job it is; `default` otherwise.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
    /// Higher goes first; 0 otherwise.
    #[schema(minimum = -100, maximum = 100)]
    pub priority: Option<i32>,
    /// Queue it although an identical task is in flight.
    pub allow_duplicate: Option<bool>,
    /// The job that this one tries again.
    #[schema(pattern = "^job_[A-Za-z0-9_-]{1,64}$")]
    pub retry_of: Option<String>,
    /// Who is told how it ends; needs a server with a secret for webhooks.
    #[schema(format = "uri", max_length = 2048)]
    pub webhook_url: Option<String>,
    /// How long the worker of an `external` job may be silent.
    #[schema(minimum = 1000, maximum = 86_400_000)]
    pub silence_limit_ms: Option<i64>,
}

/// What a job is asked for, by its kind.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
pub enum JobInput {
    /// Of a `blog`.
    Blog(BlogInput),
    /// Of a `voiceover`.
    Voiceover(VoiceoverInput),
    /// Of a `chat`.
    Chat(ChatInput),
    /// A model's inputs, or whatever an external worker understands.
    Other(Map<String, Value>),
}

/// What a post is to be.
#[derive(Debug, ToSchema)]
pub struct BlogInput {
    /// What it is about; `prompt` is another name of it.
    #[schema(min_length = 1, max_length = 4000)]
    pub topic: String,
    /// The language to write and speak in, a BCP 47 tag; `en` otherwise.
    pub language: Option<String>,
    /// How it should sound; `friendly` otherwise.
    #[schema(min_length = 1, max_length = 60)]
    pub tone: Option<String>,
    /// About how many words; 600 otherwise.
    #[schema(minimum = 50, maximum = 5000)]
    pub words: Option<u64>,
    /// Whether it is narrated.
    pub voiceover: Option<bool>,
    /// The voice that narrates it.
    pub voice: Option<String>,
}

/// What is to be spoken.
#[derive(Debug, ToSchema)]
pub struct VoiceoverInput {
    /// The text; Markdown is read as plain text.
    #[schema(min_length = 1, max_length = 50_000)]
    pub text: String,
    /// Its language, a BCP 47 tag; `en` otherwise.
    pub language: Option<String>,
    /// The voice that speaks.
    pub voice: Option<String>,
}

/// A conversation whose next message is wanted.
#[derive(Debug, ToSchema)]
pub struct ChatInput {
    /// Oldest first; the last one is the user's.
    #[schema(min_items = 1, max_items = 500)]
    pub messages: Vec<Message>,
    /// The language that is spoken, a BCP 47 tag.
    pub language: Option<String>,
    /// Whether the answer is narrated.
    pub voiceover: Option<bool>,
    /// The voice that narrates it.
    pub voice: Option<String>,
}

/// Why a job is canceled.
#[derive(Debug, ToSchema)]
#[schema(examples(json!({ "reason": "the page was closed" })))]
pub struct Cancel {
    /// What readers are told; at most 500 characters are kept.
    pub reason: Option<String>,
}

/// An event of an external worker.
#[derive(Debug, ToSchema)]
#[schema(as = PushedEvent, examples(
    json!({ "type": "progress", "data": { "percent": 40, "stage": "painting" } }),
    json!({ "type": "content", "data": { "text": "Once upon" }, "producer_seq": 7 }),
    json!({ "type": "completed", "data": { "title": "done" } }),
))]
pub struct PushedEvent {
    /// One of ours (`progress`, `content`, `log`, `artifact_ready`, `tts_completed`, `completed`,
    /// `failed`, `canceled`), or a name of its own.
    #[schema(rename = "type", pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
    pub kind: String,
    /// What it says: any JSON of at most 60 levels.
    #[schema(required = false)]
    pub data: Value,
    /// Counts from 1 without holes, for retries without doubles.
    #[schema(minimum = 1, nullable = false)]
    pub producer_seq: Option<u64>,
    /// Who counts, where there are several.
    #[schema(nullable = false)]
    pub producer: Option<String>,
}

/// What a model is to make: its inputs, beside what every submit may have.
#[derive(Debug, ToSchema)]
#[schema(examples(json!({ "prompt": "a red kite over a grey sea" })))]
pub struct MediaInput {
    /// What is to be seen.
    #[schema(nullable = false)]
    pub prompt: Option<String>,
    /// Whose job it is; `default` otherwise.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
    /// Higher goes first; 0 otherwise.
    #[schema(minimum = -100, maximum = 100)]
    pub priority: Option<i32>,
    /// Queue it although an identical task is in flight.
    pub allow_duplicate: Option<bool>,
    /// The job that this one tries again.
    #[schema(pattern = "^job_[A-Za-z0-9_-]{1,64}$")]
    pub retry_of: Option<String>,
    /// Who is told how it ends; needs a server with a secret for webhooks.
    #[schema(format = "uri", max_length = 2048)]
    pub webhook_url: Option<String>,
}

/// The same where a model may be named.
#[derive(Debug, ToSchema)]
#[schema(examples(
    json!({ "model": "bfl/flux-2-klein-4b", "prompt": "a red kite over a grey sea" }),
))]
pub struct ModelInput {
    /// The model; where it is left out, the server takes one that takes the input.
    pub model: Option<String>,
    /// Its inputs.
    #[serde(flatten)]
    pub input: MediaInput,
}

/// A lip-sync that is wanted.
#[derive(Debug, ToSchema)]
#[schema(examples(json!({
    "imageUrl": "https://example.com/portrait.png", "audioUrl": "https://example.com/speech.wav",
})))]
pub struct LipsyncInput {
    /// The model; `wan-2-2-s2v` otherwise.
    pub model: Option<String>,
    /// The picture of who speaks.
    #[schema(rename = "imageUrl", nullable = false)]
    pub image_url: Option<String>,
    /// What is spoken.
    #[schema(rename = "audioUrl", nullable = false)]
    pub audio_url: Option<String>,
    /// Whether the answer is held until the job has ended, or a while has passed.
    #[schema(rename = "pollForCompletion")]
    pub poll_for_completion: Option<bool>,
    /// Further inputs.
    #[serde(flatten)]
    pub input: MediaInput,
}

/// What `useChat` of the AI SDK sends. Fields that are not named here are an app's own.
#[derive(Debug, ToSchema)]
#[schema(examples(json!({
    "id": "talk", "trigger": "submit-message",
    "messages": [{ "id": "m1", "role": "user", "parts": [{ "type": "text", "text": "hello" }] }],
})))]
pub struct ChatBody {
    /// The chat.
    #[schema(pattern = r#"^[!"$&-.0->@-\[\]-~]{1,200}$"#)]
    pub id: String,
    /// All of its messages, oldest first.
    #[schema(min_items = 1)]
    pub messages: Vec<UiMessage>,
    /// `regenerate-message` wants another answer to the same question.
    pub trigger: Option<String>,
    /// What is to be made: `chat`, `blog`, `voiceover`, `image` or `video`.
    pub kind: Option<Kind>,
    /// Of an `image` or a `video`: the model.
    pub model: Option<String>,
    /// Further inputs of the kind.
    #[schema(value_type = Option<Object>)]
    pub input: Option<Map<String, Value>>,
    /// Of a `chat` or a `blog`: narrate it too.
    pub voiceover: Option<bool>,
    /// Whose job it is; `default` otherwise.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
}

/// A message as a page keeps it.
#[derive(Debug, ToSchema)]
pub struct UiMessage {
    /// Who said it.
    pub role: crate::job::input::Role,
    /// What it is made of; the parts of the type `text` are what was said.
    #[schema(value_type = Vec<Object>, required = false)]
    pub parts: Vec<Map<String, Value>>,
}

/// A key that opens a session.
#[derive(Debug, ToSchema)]
#[schema(examples(json!({ "key": "tw_…" })))]
pub struct OpenSession {
    /// The key.
    pub key: String,
}

/// A key that is wanted.
#[derive(Debug, ToSchema)]
#[schema(examples(json!({ "name": "the website", "scopes": ["submit", "read"] })))]
pub struct NewKey {
    /// What people call it: at most 100 characters on one line.
    #[schema(max_length = 100)]
    pub name: Option<String>,
    /// What it may.
    #[schema(min_items = 1)]
    pub scopes: Vec<Scope>,
    /// The only project that it may see and act in.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
    /// After how many days it ends by itself.
    #[schema(minimum = 1, maximum = 3650)]
    pub expires_in_days: Option<i64>,
}

/// What a key may.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Scope {
    /// Submits and cancels jobs, uploads files.
    Submit,
    /// Looks.
    Read,
    /// Pushes the events of external jobs.
    Publish,
    /// All of that, keys, and grants of credits.
    Admin,
}

/// What a ticket is to open: one of the two.
#[derive(Debug, ToSchema)]
#[schema(examples(json!({ "project_id": "default" })))]
pub struct NewTicket {
    /// A job.
    pub job_id: Option<String>,
    /// A project.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
}

/// Credits that are given.
#[derive(Debug, ToSchema)]
#[schema(examples(json!({ "amount": 5_000_000, "note": "for the tests" })))]
pub struct NewGrant {
    /// How many micro-credits.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    pub amount: i64,
    /// What for.
    #[schema(max_length = 200)]
    pub note: Option<String>,
    /// Whose account it goes to; the common one otherwise.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
}

/// A file in a form.
#[derive(Debug, ToSchema)]
pub struct UploadForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
    /// The project; `default` otherwise.
    #[schema(nullable = false)]
    pub project_id: Option<String>,
    /// The file's name; that of the part otherwise.
    #[schema(nullable = false)]
    pub name: Option<String>,
}

/// A file to fetch.
#[derive(Debug, ToSchema)]
pub struct RemoteFile {
    /// Where it is: https, at a public address.
    #[schema(format = "uri")]
    pub url: String,
    /// Whose it is; `default` otherwise.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
    /// A name for people who download it.
    pub name: Option<String>,
}
