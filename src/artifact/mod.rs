//! Files that come in and go out, and where their bytes are kept.

pub mod bucket;
pub mod data_url;
pub mod incoming;
pub mod location;
mod mp3;
pub mod probe;
pub mod sniff;
mod spool;
pub mod store;
pub mod wav;
mod words;

#[cfg(test)]
pub(crate) mod testing;

pub use bucket::Account;
pub use incoming::{Folder, Staged, StreamError};
pub use location::{InBucket, Location};
pub use probe::Probe;
pub use sniff::{Family, Sniffed};
pub use store::{ArtifactError, Artifacts, Bytestream, Stored, is_place};
