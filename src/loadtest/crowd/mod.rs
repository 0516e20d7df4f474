//! Readers by the thousand: real sockets, real HTTP, few threads.
//!
//! A crowd is told what to do and says where it is, by the same words whether it is a thread of
//! this process or a process of its own, of which there are more where one may not have as many
//! descriptors as there are readers.

mod crew;
mod desk;
mod hand;
mod plan;
mod process;
mod reader;
mod stream;

pub(super) use crew::Crew;
pub(super) use plan::{Command, Cursor, Outcome, Plan, Reading, Status};
pub(super) use process::run as run_process;
