//! What streams send: each event by its name.
//!
//! `OpenAPI` 3.1 has no words for a stream of events; what is given as the schema of a
//! `text/event-stream` is that of one event, in the form that 3.2 has for it: its fields as they stand in
//! the stream (<https://spec.openapis.org/oas/v3.2.0.html#special-considerations-for-server-sent-events>),
//! `data` a text of JSON.

use utoipa::openapi::schema::{AnyOfBuilder, OneOfBuilder, Schema};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::event::payload;
use crate::job::Status;
use crate::store::{Gap, Snapshot};

use super::answers::JobSummary;

/// The schemas of a document, by their names.
type Schemas = Vec<(String, RefOr<Schema>)>;

/// What a reader of one job is told first.
#[derive(Debug, ToSchema)]
pub struct Hello {
    /// The job.
    pub job: String,
    /// Where it is in its life.
    pub status: Status,
    /// Which run is current.
    pub attempt: u32,
    /// The cursor that was understood; nothing when it was none.
    #[schema(required)]
    pub after: Option<u64>,
    /// The server's newest event.
    pub head: u64,
    /// After how much silence the stream shows that it is alive.
    pub keep_alive_ms: u64,
    /// There, and true, while no event can come, for the servers that keep the events of a cluster are out
    /// of reach.
    pub degraded: Option<bool>,
}

/// What a reader of several jobs is told first.
#[derive(Debug, ToSchema)]
pub struct HelloOfJobs {
    /// The jobs.
    pub jobs: Vec<Place>,
    /// The cursor that was understood, of the jobs without one of their own.
    #[schema(required)]
    pub after: Option<u64>,
    /// The server's newest event.
    pub head: u64,
    /// After how much silence the stream shows that it is alive.
    pub keep_alive_ms: u64,
    /// There, and true, while no event can come, for the servers that keep the events of a cluster are out
    /// of reach.
    pub degraded: Option<bool>,
}

/// Where a reader of several jobs stands in one of them.
#[derive(Debug, ToSchema)]
pub struct Place {
    /// The job.
    pub job: String,
    /// Where it is in its life.
    pub status: Status,
    /// Which run is current.
    pub attempt: u32,
    /// The cursor that was understood.
    #[schema(required)]
    pub after: Option<u64>,
    /// Whether nothing of it will come.
    pub over: bool,
}

/// What a reader of a project is told first.
#[derive(Debug, ToSchema)]
pub struct HelloOfProject {
    /// The project.
    pub project: String,
    /// The cursor that was understood.
    #[schema(required)]
    pub after: Option<u64>,
    /// The server's newest event.
    pub head: u64,
    /// After how much silence the stream shows that it is alive.
    pub keep_alive_ms: u64,
    /// There, and true, while no event can come, for the servers that keep the events of a cluster are out
    /// of reach.
    pub degraded: Option<bool>,
}

/// A project's newest jobs.
#[derive(Debug, ToSchema)]
pub struct SnapshotOfProject {
    /// The project.
    pub project: String,
    /// Its newest 100 jobs.
    pub jobs: Vec<JobSummary>,
}

/// A job's place among those that wait.
#[derive(Debug, ToSchema)]
pub struct QueuePlace {
    /// From 1.
    #[schema(minimum = 1)]
    pub position: u32,
}

/// The stream ends before its jobs do.
#[derive(Debug, ToSchema)]
pub struct Bye {
    /// `draining`, `max_age`, `revoked`, or the code of why it cannot be opened now.
    pub reason: String,
    /// When to come back.
    pub retry_ms: u64,
}

/// What a job made: of a text its title and size, of what a model makes its cost and its files, of an
/// external job whatever its worker says.
#[derive(Debug, ToSchema)]
#[schema(as = CompletedEvent)]
pub struct Completed {
    /// When.
    #[schema(nullable = false)]
    pub at: Option<i64>,
}

/// An event of one job. Our own have `at`, in milliseconds, in their data too.
#[derive(Debug)]
pub struct JobEvent;

/// An event of several jobs or of a project: what is a job's stands in an envelope.
#[derive(Debug)]
pub struct ManyEvent;

/// A part of a UI message of the AI SDK; the last one is `[DONE]`.
#[derive(Debug, ToSchema)]
pub struct UiPart {
    /// JSON with the part's `type`, or `[DONE]`.
    pub data: String,
}

/// The events that are about a job, and whether they have an id.
fn of_a_job() -> Vec<(&'static str, RefOr<Schema>, bool)> {
    vec![
        ("status", of::<payload::Status>(), true),
        ("progress", of::<payload::Progress>(), true),
        ("content", of::<payload::Content>(), true),
        ("log", of::<payload::Log>(), true),
        ("artifact_ready", of::<payload::ArtifactReady>(), true),
        ("tts_completed", of::<payload::TtsCompleted>(), true),
        ("completed", of::<Completed>(), true),
        ("failed", of::<payload::Failed>(), true),
        ("canceled", of::<payload::Canceled>(), true),
        ("queue", of::<QueuePlace>(), false),
    ]
}

impl PartialSchema for JobEvent {
    fn schema() -> RefOr<Schema> {
        let ours = of_a_job().into_iter().chain([
            ("hello", of::<Hello>(), false),
            ("snapshot", of::<Snapshot>(), true),
            ("gap", of::<Gap>(), false),
            ("bye", of::<Bye>(), false),
            ("keep-alive", ObjectBuilder::new().into(), false),
        ]);
        let ours = ours.map(|(name, data, has_id)| event(name, data, has_id));
        any(ours, "An event of one job. Our own have `at`, in milliseconds, in their data too.")
    }
}

impl ToSchema for JobEvent {
    fn schemas(schemas: &mut Schemas) {
        add::<payload::Status>(schemas);
        add::<payload::Progress>(schemas);
        add::<payload::Content>(schemas);
        add::<payload::Log>(schemas);
        add::<payload::ArtifactReady>(schemas);
        add::<payload::TtsCompleted>(schemas);
        add::<Completed>(schemas);
        add::<payload::Failed>(schemas);
        add::<payload::Canceled>(schemas);
        add::<QueuePlace>(schemas);
        add::<Hello>(schemas);
        add::<Snapshot>(schemas);
        add::<Gap>(schemas);
        add::<Bye>(schemas);
    }
}

impl PartialSchema for ManyEvent {
    fn schema() -> RefOr<Schema> {
        let enveloped = of_a_job().into_iter().chain([("snapshot", of::<Snapshot>(), true)]);
        let enveloped = enveloped.map(|(name, data, _)| {
            let job = ObjectBuilder::new().schema_type(Type::String);
            let data = ObjectBuilder::new()
                .property("job", job)
                .property("data", data)
                .required("job")
                .required("data");
            (name, data.into())
        });
        let hello = OneOfBuilder::new()
            .item(Ref::from_schema_name(HelloOfJobs::name()))
            .item(Ref::from_schema_name(HelloOfProject::name()));
        let ours = enveloped.chain([
            ("hello", hello.into()),
            ("snapshot", of::<SnapshotOfProject>()),
            ("gap", of::<Gap>()),
            ("bye", of::<Bye>()),
            ("keep-alive", ObjectBuilder::new().into()),
        ]);
        // Which of them have an id depends on what comes behind them.
        let ours = ours.map(|(name, data)| event(name, data, true));
        any(ours, "An event of several jobs or of a project; a job's stands in an envelope.")
    }
}

impl ToSchema for ManyEvent {
    fn schemas(schemas: &mut Schemas) {
        JobEvent::schemas(schemas);
        add::<HelloOfJobs>(schemas);
        add::<HelloOfProject>(schemas);
        add::<SnapshotOfProject>(schemas);
    }
}

fn of<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

/// Adds a schema and those that it refers to.
fn add<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

fn event(name: &str, data: RefOr<Schema>, has_id: bool) -> ObjectBuilder {
    let only = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([name]));
    let event = ObjectBuilder::new().property("event", only).property("data", text_of(Some(data)));
    let event = if has_id { event.property("id", id()) } else { event };
    event.required("event").required("data")
}

/// The number of an event, as digits.
fn id() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]+$"))
}

/// A text that is JSON of this schema.
fn text_of(schema: Option<RefOr<Schema>>) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.content_media_type("application/json").content_schema(schema)
}

/// One of ours, or one of an external worker under a name of its own.
fn any(ours: impl Iterator<Item = ObjectBuilder>, description: &str) -> RefOr<Schema> {
    let own = ObjectBuilder::new()
        .description(Some("An external worker's own: any other name, any JSON."))
        .property("event", own_name())
        .property("id", id())
        .property("data", text_of(None))
        .required("event")
        .required("id")
        .required("data");
    let any = ours.fold(AnyOfBuilder::new().description(Some(description)), AnyOfBuilder::item);
    any.item(own).into()
}

/// A name that is none of ours.
fn own_name() -> ObjectBuilder {
    let ours = "status|progress|content|log|artifact_ready|tts_completed|completed|failed|canceled|\
        hello|snapshot|gap|queue|bye|keep-alive|open|error|message";
    let pattern = format!("^(?!({ours})$)[A-Za-z][A-Za-z0-9_.-]{{0,63}}$");
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern))
}
