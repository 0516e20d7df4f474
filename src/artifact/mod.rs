//! Files that jobs make, and where their bytes are kept.

pub mod store;
pub mod wav;

pub use store::{ArtifactError, Artifacts, Bytestream, Stored};
