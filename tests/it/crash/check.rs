//! What must hold once every job has ended: everything that readers saw on the way, held against
//! what is in the database.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row, SqliteConnection};
use tailwater::artifact::wav::Wav;

use crate::harness::reader::{Message, text_of};

use super::SLOTS;
use super::browser::History;
use super::producer::STEPS;
use super::slot::Record;
use super::world::World;

const TERMINAL: [&str; 3] = ["completed", "failed", "canceled"];

/// The events of a job that are in the database in the end.
type Committed = Vec<Message>;

/// What each life of the server left behind.
struct Epochs {
    /// The last id that each committed.
    last: BTreeMap<u64, u64>,
}

impl Epochs {
    /// Whether a crash took this id before it was committed.
    fn lost(&self, id: u64) -> bool {
        id > 0 && self.last.get(&(id >> 32)).is_none_or(|last| id > *last)
    }
}

/// Checks all jobs and all readers.
pub async fn everything(world: &World, data: &Path, records: &[Record], project: &History) {
    let mut database = SqliteConnectOptions::new()
        .filename(data.join(tailwater::db::FILE))
        .read_only(true)
        .connect()
        .await
        .expect("the database opens");
    let rows = sqlx::query_as::<_, (i64, i64)>("select epoch, last_id from epoch");
    let rows = rows.fetch_all(&mut database).await.expect("the epochs are there");
    let last = rows.into_iter().map(|(epoch, last)| (epoch.cast_unsigned(), last.cast_unsigned()));
    let epochs = Epochs { last: last.collect() };
    let mut ids: HashMap<u64, (&str, Message)> = HashMap::new();
    let (mut completed, mut exhausted) = (0, 0);
    let mut merged = Committed::new();
    for record in records {
        let committed = committed(world, &record.job).await;
        for message in committed.iter().chain(seen(record)) {
            one_event_for_one_id(&mut ids, &record.job, message);
        }
        exactly_one_end(&record.job, &committed);
        for reader in &record.readers {
            let (job, committed) = (&*record.job, &committed);
            Check { job, is_project: false, committed, epochs: &epochs }.reader(reader);
        }
        merged.extend(committed.iter().map(|message| enveloped(&record.job, message)));
        match committed.last().expect("it has an end").event.as_str() {
            "completed" => {
                completed += 1;
                result_is_whole(world, record, &committed).await;
            }
            _ => {
                exhausted += 1;
                was_run_three_times(&mut database, record, &committed).await;
            }
        }
    }
    merged.sort_unstable_by_key(|message| message.id);
    Check { job: "the project", is_project: true, committed: &merged, epochs: &epochs }
        .reader(project);
    assert!(completed >= SLOTS, "{completed} completed, {exhausted} died too often");
}

/// An event as a stream of several jobs has it.
fn enveloped(job: &str, message: &Message) -> Message {
    Message { data: json!({ "job": job, "data": message.data }), ..message.clone() }
}

/// All events of a job, by its pages.
async fn committed(world: &World, job: &str) -> Committed {
    let mut events = Vec::new();
    let mut after = 0;
    loop {
        let page = world.get(&format!("/api/jobs/{job}/events?after={after}&limit=1000")).await;
        assert!(page["gap"].is_null(), "{page}");
        for event in page["events"].as_array().expect("events") {
            events.push(Message {
                id: event["id"].as_u64(),
                event: event["type"].as_str().expect("a type").to_owned(),
                data: event["data"].clone(),
            });
        }
        after = page["next"].as_u64().expect("a cursor");
        if page["ended"] == true {
            return events;
        }
        assert_ne!(page["events"], Value::Array(Vec::new()), "{job} has not ended");
    }
}

/// What readers saw of a job's events, but for what tells about their streams.
fn seen(record: &Record) -> impl Iterator<Item = &Message> {
    let connections = record.readers.iter().flat_map(|reader| reader.connections.iter().flatten());
    connections.filter(|message| message.id.is_some() && message.event != "snapshot")
}

fn one_event_for_one_id<'a>(
    ids: &mut HashMap<u64, (&'a str, Message)>,
    job: &'a str,
    message: &Message,
) {
    let id = message.id.expect("an event has an id");
    let (owner, first) = ids.entry(id).or_insert_with(|| (job, message.clone()));
    assert_eq!((*owner, &*first), (job, message), "one id stands for two events");
}

fn exactly_one_end(job: &str, committed: &Committed) {
    let ids: Vec<_> = committed.iter().map(|message| message.id).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{job}: {ids:?}");
    let ends = committed.iter().filter(|message| TERMINAL.contains(&message.event.as_str()));
    assert_eq!(ends.count(), 1, "{job} ended more than once");
    let last = committed.last().expect("it has events");
    assert!(TERMINAL.contains(&last.event.as_str()), "{job} goes on after its end");
    let attempts = committed.iter().filter(|message| message.event == "status");
    let attempts: Vec<_> = attempts.map(|message| message.data["attempt"].as_u64()).collect();
    assert!(attempts.is_sorted(), "{job}: attempts {attempts:?}");
}

/// One reader's history against what is committed.
struct Check<'a> {
    job: &'a str,
    /// Whether the reader reads all jobs at once.
    is_project: bool,
    committed: &'a Committed,
    epochs: &'a Epochs,
}

/// Where a reader stands while its history is gone through.
#[derive(Default)]
struct Place {
    /// The newest id that it was given.
    newest: u64,
    /// The id that it comes back with.
    cursor: u64,
    /// Which committed event it must get next.
    next: usize,
    /// Whether it has had an end since the last gap.
    ended: bool,
}

impl Check<'_> {
    fn reader(&self, history: &History) {
        let mut place = Place::default();
        for messages in &history.connections {
            self.connection(&mut place, messages);
        }
        let missing = &self.committed[place.next..];
        if self.epochs.lost(place.cursor) {
            // It had the end and left; a crash took the event before it was written, but not the
            // end itself, which was announced again.
            let had = history.connections.iter().flatten().rfind(|message| message.id.is_some());
            let had = had.expect("it saw something");
            assert_eq!(missing.len(), 1, "{}: {missing:?}", self.job);
            assert_eq!((&had.event, &had.data), (&missing[0].event, &missing[0].data));
        } else {
            assert!(missing.is_empty(), "{}: a reader never saw {missing:?}", self.job);
        }
    }

    fn connection(&self, place: &mut Place, messages: &[Message]) {
        let Some(hello) = messages.first() else { return };
        assert_eq!(hello.event, "hello", "{}", self.job);
        let head = hello.data["head"].as_u64().expect("a head");
        assert!(head >= place.newest, "{}: head {head} below {}", self.job, place.newest);
        let is_lost = place.cursor >> 32 < head >> 32 && self.epochs.lost(place.cursor);
        let mut rest = messages[1..].iter().peekable();
        if is_lost && rest.peek().is_some() {
            let gap = rest.next().expect("peeked");
            assert_eq!((gap.event.as_str(), gap.id), ("gap", None), "{}", self.job);
            assert_eq!(gap.data["reason"], "lost_in_crash", "{}", self.job);
            assert_eq!(gap.data["from"], place.cursor, "{}", self.job);
            if let Some(snapshot) = rest.next() {
                assert_eq!(gap.data["to"].as_u64(), snapshot.id, "{}", self.job);
                self.snapshot(place, snapshot);
            }
        } else if self.is_project && place.cursor == 0 {
            // It begins with the project as it stands; a crash may have cut that off, too.
            rest.next().into_iter().for_each(|snapshot| self.snapshot(place, snapshot));
        }
        rest.for_each(|message| self.event(place, message));
    }

    fn snapshot(&self, place: &mut Place, snapshot: &Message) {
        assert_eq!(snapshot.event, "snapshot", "{}", self.job);
        place.cursor = snapshot.id.expect("a snapshot has an id");
        place.next = self.committed.partition_point(|message| message.id <= snapshot.id);
        place.ended = false;
    }

    fn event(&self, place: &mut Place, message: &Message) {
        let job = self.job;
        let Some(id) = message.id else {
            assert!(["queue", "bye"].contains(&&*message.event), "{job}: {message:?}");
            return;
        };
        assert!(id > place.newest, "{job}: {id} after {}", place.newest);
        assert!(!place.ended, "{job}: {message:?} after the end");
        if self.epochs.lost(id) {
            assert!(!self.committed.iter().any(|other| other.id == message.id), "{job}: {id}");
        } else {
            assert_eq!(self.committed.get(place.next), Some(message), "{job}: out of order");
            place.next += 1;
        }
        (place.newest, place.cursor) = (id, id);
        place.ended = !self.is_project && TERMINAL.contains(&message.event.as_str());
    }
}

/// A job that completed has what it says, to the byte.
async fn result_is_whole(world: &World, record: &Record, committed: &Committed) {
    let view = world.get(&format!("/api/jobs/{}", record.job)).await;
    assert_eq!(view["status"], "completed", "{view}");
    if record.kind == "external" {
        let steps = committed.iter().filter(|message| message.event == "step");
        let steps: Vec<_> = steps.filter_map(|message| message.data["n"].as_u64()).collect();
        assert_eq!(steps, (1..=STEPS).collect::<Vec<_>>(), "{}", record.job);
    }
    let promised =
        committed.last().expect("an end").data["artifacts"].as_array().map_or(0, Vec::len);
    let artifacts = view["artifacts"].as_array().expect("a list");
    assert_eq!(artifacts.len(), promised, "{view}");
    for artifact in artifacts {
        let file = file(world, artifact).await;
        match artifact["kind"].as_str().expect("a kind") {
            "markdown" => {
                assert_eq!(file, text_of(committed).as_bytes(), "{}", record.job);
                for reader in &record.readers {
                    assert_eq!(file, text_of(&reader.connections.concat()).as_bytes());
                }
            }
            "voice" => {
                let declared = u32::from_le_bytes(file[4..8].try_into().expect("four bytes"));
                assert_eq!(&file[..4], b"RIFF");
                assert_eq!(declared as usize + 8, file.len(), "{}", record.job);
                assert!(Wav::parse(&file).expect("a WAV file").duration_ms() > 0);
                narration_came_in_one_step(&record.job, artifact, committed);
            }
            _ => assert!(!file.is_empty()),
        }
    }
}

/// A file, which has the size that was announced.
async fn file(world: &World, artifact: &Value) -> Vec<u8> {
    let url = world.url(artifact["url"].as_str().expect("a URL"));
    let response = world.http.get(url).send().await.expect("an answer");
    assert_eq!(response.status(), 200, "{artifact}");
    let file = response.bytes().await.expect("a file").to_vec();
    assert_eq!(artifact["bytes"].as_u64(), Some(file.len() as u64), "{artifact}");
    file
}

fn narration_came_in_one_step(job: &str, artifact: &Value, committed: &Committed) {
    let spoken = committed.iter().rposition(|message| message.event == "tts_completed");
    let spoken = spoken.unwrap_or_else(|| panic!("{job} has no tts_completed"));
    let [ready, spoken] = &committed[spoken - 1..=spoken] else { unreachable!() };
    assert_eq!(ready.event, "artifact_ready", "{job}");
    assert_eq!(ready.data["artifact"]["id"], artifact["id"], "{job}");
    assert_eq!(ready.id.map(|id| id + 1), spoken.id, "{job}");
}

/// Only a job that three processes died with may fail, and only for that.
async fn was_run_three_times(
    database: &mut SqliteConnection,
    record: &Record,
    committed: &Committed,
) {
    let end = committed.last().expect("an end");
    assert_eq!(end.data["code"], "attempts_exhausted", "{}: {end:?}", record.job);
    let row = sqlx::query("select attempt, failures from job where id = ?").bind(&record.job);
    let row = row.fetch_one(database).await.expect("its row");
    let (attempt, failures): (i64, i64) = (row.get("attempt"), row.get("failures"));
    assert_eq!((attempt, failures), (3, 3), "{}", record.job);
    assert!(record.kills >= 3, "{} saw only {} kills", record.job, record.kills);
}
