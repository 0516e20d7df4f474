//! Remote services, spoken to in their own words.
//!
//! Providers only translate: one call in, one result or one sorted [`Error`] out. They never sleep,
//! loop, retry, append an event or know the queue; whoever calls them decides what an error means
//! for a job. Every future here may be dropped at any point: the request is then abandoned.
//!
//! - [`chat`] streams a text from an OpenAI-compatible `/chat/completions`;
//! - [`media`] is what every maker of images and videos can do;
//! - [`registry`] knows the makers by name, each in a module of its own;
//! - [`speech`] has a text spoken by an OpenAI-compatible `/audio/speech`;
//! - [`error`] is what can go wrong, sorted by what a caller can do about it.

pub mod chat;
pub mod error;
pub mod media;
pub mod registry;
pub mod speech;

mod bfl;
mod fal;
mod minimax;
mod replicate;
mod runway;

mod api;
mod body;
mod completion;
mod fetched;
mod http;
mod inline;
mod phrases;
mod progress;
mod recent;
mod signature;

#[cfg(test)]
mod stage;
#[cfg(test)]
mod tests;
mod unset;

pub use self::error::{Error, Sent};
pub use self::http::{client, local_client};
