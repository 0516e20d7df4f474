//! Who asks, and whether they may.
//!
//! A handler names what it needs in its own signature, [`May<Read>`](May), and gets the server by no
//! other way; so no route is open because somebody forgot to close it. What a caller may see of the
//! jobs, files and credits is asked of its [`Call`].

mod call;
pub(super) mod caller;
pub mod cors;
pub mod keys;
pub mod origin;
mod presented;
pub mod session;
pub mod tickets;

pub use call::{Admin, Call, May, Publish, Read, Submit};
pub use caller::Caller;
pub use presented::{SESSION, TICKET};
