//! What happened to jobs lately besides their events, for whoever asks why one stands still.
//!
//! Leases, requests to providers and what came back, callbacks, commits. It is kept in this process'
//! memory, so much and no more; a job's events and rows are what counts, and are elsewhere.

use std::collections::{HashMap, VecDeque};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Of how many jobs something is kept: the latest that anything happened to first.
const JOBS: usize = 2_000;

/// How much is kept of each.
const NOTES: usize = 100;

/// How many characters of a detail are kept.
const DETAIL: usize = 400;

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Who runs the job.
    Lease,
    /// A request to a provider that started something, or stopped it.
    Request,
    /// What a provider said when it was asked how it goes.
    Poll,
    /// What a provider said by itself.
    Reply,
    /// Events that came to the database.
    Commit,
    /// Anything else.
    Note,
}

impl About {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Request => "request",
            Self::Poll => "poll",
            Self::Reply => "reply",
            Self::Commit => "commit",
            Self::Note => "note",
        }
    }
}

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which one of the job's it is.
    pub number: u64,
    /// What it is about.
    pub about: About,
    /// When it first happened, in UTC milliseconds.
    pub at: i64,
    /// When it last did.
    pub until: i64,
    /// How often.
    pub times: u32,
    /// What happened, in a few words; the same again is the same note.
    pub title: String,
    /// More about the last time.
    pub detail: Option<String>,
    /// Whether it is nothing good.
    pub is_trouble: bool,
}

#[derive(Debug, Default)]
struct Jobs {
    trails: HashMap<String, Trail>,
    /// How often anything was noted.
    clock: u64,
}

#[derive(Debug, Default)]
struct Trail {
    notes: VecDeque<Note>,
    count: u64,
    /// When something last happened that had not happened just before, in UTC milliseconds.
    sign_at: i64,
    /// Raised by every note.
    version: u64,
    /// When it was last asked for, by the clock of all.
    used: u64,
}

static JOBS_SEEN: LazyLock<Mutex<Jobs>> = LazyLock::new(Mutex::default);

fn lock() -> MutexGuard<'static, Jobs> {
    JOBS_SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Notes what happened to a job.
pub fn note(job: &str, about: About, title: impl Into<String>, detail: Option<String>) {
    write(job, about, title.into(), detail, false);
}

/// Notes something that went wrong.
pub fn trouble(job: &str, about: About, title: impl Into<String>, detail: Option<String>) {
    write(job, about, title.into(), detail, true);
}

fn write(job: &str, about: About, title: String, detail: Option<String>, is_trouble: bool) {
    let at = now();
    let detail = detail.map(|detail| detail.chars().take(DETAIL).collect());
    let mut jobs = lock();
    let trail = jobs.of(job);
    if trail.add(about, title, detail, is_trouble, at) {
        trail.sign_at = at;
    }
}

/// Whether nothing is kept of any job.
#[must_use]
pub fn is_empty() -> bool {
    lock().trails.is_empty()
}

/// Notes that events of jobs came to the database, which is no sign of life: of those jobs only of which
/// something is kept already.
pub fn committed<'a>(jobs: impl IntoIterator<Item = (&'a str, u64)>, took_ms: u128) {
    let mut seen = lock();
    let at = now();
    for (job, through) in jobs {
        let Some(trail) = seen.trails.get_mut(job) else { continue };
        let detail = Some(format!("through {through}, in {took_ms} ms"));
        trail.add(About::Commit, "committed".into(), detail, false, at);
    }
}

impl Trail {
    /// Adds a note, or counts the last one of its kind where that says the same; gives whether there is
    /// anything new in it.
    fn add(
        &mut self,
        about: About,
        title: String,
        detail: Option<String>,
        is_trouble: bool,
        at: i64,
    ) -> bool {
        self.version += 1;
        let last = self.notes.iter_mut().rev().find(|note| note.about == about);
        if let Some(last) = last.filter(|last| last.title == title) {
            let is_new = last.detail != detail;
            (last.until, last.times, last.detail) = (at, last.times + 1, detail);
            return is_new;
        }
        self.count += 1;
        let number = self.count;
        self.notes.push_back(Note {
            number,
            about,
            at,
            until: at,
            times: 1,
            title,
            detail,
            is_trouble,
        });
        if self.notes.len() > NOTES {
            self.notes.pop_front();
        }
        true
    }
}

/// From now on something is kept of a job, whatever happens to it.
pub fn begin(job: &str) {
    lock().of(job);
}

/// What is kept of a job, oldest first, with a number that rises whenever that changes.
#[must_use]
pub fn of(job: &str) -> (u64, Vec<Note>) {
    let jobs = lock();
    let trail = jobs.trails.get(job);
    trail.map_or_else(Default::default, |trail| {
        (trail.version, trail.notes.iter().cloned().collect())
    })
}

/// When something new last happened to a job, in UTC milliseconds.
#[must_use]
pub fn sign_at(job: &str) -> Option<i64> {
    lock().trails.get(job).map(|trail| trail.sign_at).filter(|at| *at > 0)
}

impl Jobs {
    fn of(&mut self, job: &str) -> &mut Trail {
        if !self.trails.contains_key(job) && self.trails.len() >= JOBS {
            let oldest = self.trails.iter().min_by_key(|(_, trail)| trail.used);
            if let Some(oldest) = oldest.map(|(job, _)| job.clone()) {
                self.trails.remove(&oldest);
            }
        }
        self.clock += 1;
        let trail = self.trails.entry(job.to_owned()).or_default();
        trail.used = self.clock;
        trail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_again_is_counted_and_no_sign_of_life() {
        note("job_t1", About::Poll, "running", None);
        note("job_t1", About::Poll, "running", Some("at 40 %".into()));
        let sign = sign_at("job_t1");
        for _ in 0..5 {
            note("job_t1", About::Poll, "running", Some("at 40 %".into()));
        }
        committed([("job_t1", 7), ("job_unknown", 9)], 3);
        let (version, notes) = of("job_t1");
        assert_eq!((notes.len(), notes[0].times, version), (2, 7, 8));
        assert_eq!(notes[0].detail.as_deref(), Some("at 40 %"));
        assert_eq!(sign_at("job_t1"), sign);
        assert_eq!(of("job_unknown"), (0, Vec::new()));
    }

    #[test]
    fn what_is_dropped_is_what_nothing_has_happened_to_for_longest() {
        let mut jobs = Jobs::default();
        for number in 0..JOBS {
            jobs.of(&number.to_string());
        }
        jobs.of("0");
        jobs.of("one more");
        assert_eq!(jobs.trails.len(), JOBS);
        assert!(jobs.trails.contains_key("0") && !jobs.trails.contains_key("1"));
    }

    #[test]
    fn only_so_much_is_kept() {
        for number in 0..3 * NOTES {
            note("job_t2", About::Note, number.to_string(), Some("x".repeat(2 * DETAIL)));
        }
        let (_, notes) = of("job_t2");
        assert_eq!((notes.len(), notes[0].detail.as_ref().unwrap().len()), (NOTES, DETAIL));
        assert_eq!(notes[0].number as usize, 2 * NOTES + 1);
    }
}
