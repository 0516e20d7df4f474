//! Credits: what jobs cost, in integers.
//!
//! Nothing here reads or writes: the movements are changes of [`crate::db::credits`], and what
//! must hold between them is held by the database itself. A job's estimate is held when it is
//! submitted, captured once when it completes and released once when it ends otherwise.

mod micro;

pub use micro::{Micro, ParseError};

/// The account of every project.
pub const DEFAULT_ACCOUNT: &str = "default";

/// What the account of a new installation is given to try things with.
pub const DEMO: Micro = Micro::of_credits(1000);

/// The most of one grant: a billion credits.
pub const MOST_GRANTED: i64 = 1_000_000_000_000_000;

/// The account that pays for a project's jobs.
///
/// Every project has the same one as yet; whoever asks does so by project, so that this is the
/// only place that says so.
#[must_use]
pub const fn account_of(_project_id: &str) -> &'static str {
    DEFAULT_ACCOUNT
}
