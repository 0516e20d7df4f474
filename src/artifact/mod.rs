//! Files that come in and go out, and where their bytes are kept.

pub mod data_url;
pub mod incoming;
mod mp3;
pub mod probe;
pub mod sniff;
pub mod store;
pub mod wav;

pub use incoming::{Folder, Staged, StreamError};
pub use probe::Probe;
pub use sniff::{Family, Sniffed};
pub use store::{ArtifactError, Artifacts, Bytestream, Stored};
