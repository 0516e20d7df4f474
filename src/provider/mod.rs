//! Remote services, spoken to in their own words.
//!
//! Providers only translate: one call in, one result or one sorted [`Error`] out. They never sleep,
//! loop, retry, append an event or know the queue; whoever calls them decides what an error means
//! for a job. Every future here may be dropped at any point: the request is then abandoned.
//!
//! - [`chat`] streams a text from an OpenAI-compatible `/chat/completions`;
//! - [`speech`] has a text spoken by an OpenAI-compatible `/audio/speech`;
//! - [`error`] is what can go wrong, sorted by what a caller can do about it.

pub mod chat;
pub mod error;
pub mod speech;

mod body;
mod completion;
mod http;

pub use self::error::{Error, Sent};
pub use self::http::{client, local_client};
