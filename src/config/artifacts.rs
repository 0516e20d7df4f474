//! The setting of a place for files.

use crate::artifact::{Location, location};

use super::form::{Described, Form};

/// A bucket, a folder, or nothing.
pub(super) struct Artifacts;

impl Form for Artifacts {
    type Value = Option<Location>;

    fn read(&self, text: &str) -> Option<Option<Location>> {
        if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
    }

    fn show(&self, value: &Option<Location>) -> Option<String> {
        value.as_ref().map(Location::to_string)
    }

    fn describe(&self) -> Described {
        Described::new("PLACE", location::ALLOWED)
    }
}
