//! What all jobs of one project share in memory.

use std::sync::Weak;

use tokio::time::Instant;

use crate::db::projects::Use;
use crate::sync::{AtomicU32, AtomicU64, Mutex, Notify};

use super::Log;

/// A project's logs in memory.
#[derive(Debug)]
pub struct Project {
    /// The project's name.
    pub name: String,
    pub(super) wake: Notify,
    pub(super) followers: AtomicU32,
    pub(super) logs: Mutex<Vec<Weak<Log>>>,
    /// The newest event of the logs that left memory: a reader behind it asks the database.
    pub(super) evicted: AtomicU64,
    /// What was last known of its room on disk.
    pub(crate) space: Mutex<Space>,
}

/// What a project took on disk when somebody last looked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Space {
    /// When that was, or is going on.
    pub(crate) looked_at: Option<Instant>,
    /// What it took.
    pub(crate) taken: Use,
}

impl Project {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            wake: Notify::new(),
            followers: AtomicU32::new(0),
            logs: Mutex::default(),
            evicted: AtomicU64::new(0),
            space: Mutex::default(),
        }
    }
}
