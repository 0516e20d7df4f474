//! HTTP/1.1 and server-sent events as a load test needs them: thousands of connections in one
//! thread, a few bytes of state each, cut anywhere, and nothing allocated for an event.
//!
//! The program's other readers use [`crate::event`]'s parser, which gives each event as strings of
//! its own; at a quarter of a million events a second those would be most of the work. A test holds
//! this one to it.

mod block;
mod call;
mod framing;
mod head;

pub(super) use block::{Block, end_of_block};
pub(super) use call::{Answer, call};
pub(super) use framing::{Framing, Piece};
pub(super) use head::Head;
