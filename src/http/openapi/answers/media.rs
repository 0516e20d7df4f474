//! Models, and jobs in the words of their providers.

use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::event::payload::Failed;
use crate::job::Kind;
use crate::worker::Health;

/// What can be made.
#[derive(Debug, ToSchema)]
pub struct ModelPage {
    /// In the catalog's order.
    pub models: Vec<Model>,
}

/// A model of the catalog.
#[derive(Debug, ToSchema)]
pub struct Model {
    /// Its name here.
    pub slug: String,
    /// Its name for people.
    pub title: String,
    /// Who runs it.
    pub provider: String,
    /// The kind of job that it runs.
    pub kind: Kind,
    /// What it usually makes, and from what.
    pub mode: String,
    /// Everything that it can make.
    pub modes: Vec<String>,
    /// The route that takes its jobs.
    pub route: String,
    /// What it takes.
    pub inputs: Vec<Input>,
    /// What it costs.
    #[schema(value_type = Object)]
    pub cost: Map<String, Value>,
    /// How long a job may take.
    pub time_limit_ms: u64,
    /// An input that it takes.
    #[schema(value_type = Object)]
    pub example: Map<String, Value>,
    /// Whether a real answer of it was seen.
    pub confirmed: bool,
    /// Whether nothing real is made.
    pub simulated: bool,
    /// How well its provider is.
    pub health: Health,
}

/// An input of a model.
#[derive(Debug, ToSchema)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// `text`, `integer`, `number`, `boolean`, `uri`, `uris`, …
    #[schema(rename = "type")]
    pub kind: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it is.
    pub meaning: String,
}

/// A job in the words of lip-sync pages.
#[derive(Debug, ToSchema)]
pub struct Prediction {
    /// The job.
    pub id: String,
    /// `starting`, `processing`, `succeeded`, `failed` or `canceled`.
    pub status: String,
    /// The video, once it is there.
    pub output: Option<String>,
    /// Why there is none.
    #[schema(nullable = false)]
    pub error: Option<String>,
    /// When to ask again.
    #[schema(required)]
    pub poll_after_ms: Option<u64>,
}

/// A job in Runway's words.
#[derive(Debug, ToSchema)]
pub struct RunwayTask {
    /// The job.
    pub id: String,
    /// `PENDING`, `RUNNING`, `SUCCEEDED`, `FAILED` or `CANCELLED`.
    pub status: String,
    /// When it was submitted, in ISO 8601.
    #[schema(rename = "createdAt")]
    pub created_at: String,
    /// 0 to 1, while it runs.
    #[schema(nullable = false)]
    pub progress: Option<f64>,
    /// The files.
    #[schema(nullable = false)]
    pub output: Option<Vec<String>>,
    /// Why there are none.
    #[schema(nullable = false)]
    pub failure: Option<String>,
    /// The same for programs.
    #[schema(rename = "failureCode", nullable = false)]
    pub failure_code: Option<String>,
    /// When to ask again.
    #[schema(required)]
    pub poll_after_ms: Option<u64>,
}

/// A job in `MiniMax`'s words.
#[derive(Debug, ToSchema)]
pub struct MinimaxTask {
    /// The job.
    pub task_id: String,
    /// `Queueing`, `Preparing`, `Processing`, `Success` or `Fail`.
    pub status: String,
    /// Always that the question was understood.
    #[schema(value_type = Object)]
    pub base_resp: Map<String, Value>,
    /// The file.
    pub file_id: Option<String>,
    /// Where it is.
    pub download_url: Option<String>,
    /// Why there is none.
    #[schema(nullable = false)]
    pub error: Option<Failed>,
    /// When to ask again.
    #[schema(required)]
    pub poll_after_ms: Option<u64>,
}
