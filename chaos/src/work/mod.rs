//! What is done all the while: jobs are submitted, fed and watched, in slots that are never empty.

mod cancel;
mod flood;
mod groups;
mod producer;
mod slot;
mod submit;
mod task;

pub(crate) use flood::flood;
pub(crate) use groups::Board;
pub(crate) use slot::{Record, Slots};
pub(crate) use task::{Task, name_in};
