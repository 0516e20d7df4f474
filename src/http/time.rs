//! Times as pages of others read them.

use chrono::{DateTime, SecondsFormat};

/// UTC milliseconds as in `2026-10-14T19:22:56.300Z` (RFC 3339, which is ISO 8601 too).
pub(super) fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}
