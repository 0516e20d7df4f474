//! Settings: flags over `TAILWATER_*` over `tailwater.toml` over defaults.
//!
//! Only here are the command line's flags, the environment and the settings file known; every other
//! module is handed plain values. A setting is declared once, in `settings`: its field, its flag,
//! its variable, its default, what is allowed and its help all come from that one place. Each value
//! keeps its [`Origin`], so that `tailwater config` can say where it comes from.

mod artifacts;
mod database;
mod environment;
mod error;
mod file;
mod flags;
mod form;
mod hook;
mod network;
mod report;
mod resolve;
mod settings;
mod units;

pub use environment::Environment;
pub use error::ConfigError;
pub use flags::Flags;
pub use report::{Entry, Origin, Report};
pub use resolve::{Loaded, load};
pub use settings::{Engine, Settings};
