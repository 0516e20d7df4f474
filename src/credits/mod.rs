//! Credits: what jobs cost, in integers.
//!
//! Nothing here reads or writes: the movements are changes of [`crate::db::credits`], and what
//! must hold between them is held by the database itself. A job's estimate is held when it is
//! submitted, captured once when it completes and released once when it ends otherwise.

mod micro;

pub use micro::{Micro, ParseError};

/// The account of every project that has none of its own.
pub const DEFAULT_ACCOUNT: &str = "default";

/// What the account of a new installation is given to try things with.
pub const DEMO: Micro = Micro::of_credits(1000);

/// The most of one grant: a billion credits.
pub const MOST_GRANTED: i64 = 1_000_000_000_000_000;

/// What a project's own account is called. It pays for the project's jobs once it was opened, by a
/// key that is for the project alone, or by a grant to it.
#[must_use]
pub fn own_account(project_id: &str) -> String {
    format!("project:{project_id}")
}

/// The accounts that may pay for a project's jobs: the first of them that is open does.
#[must_use]
pub fn accounts_of(project_id: &str) -> [String; 2] {
    [own_account(project_id), DEFAULT_ACCOUNT.into()]
}
