//! Who may do what: keys with scopes, the sessions they open, the tickets they sign.
//!
//! What this process knows of them is in memory, so that a request costs no query, and a database
//! that does not answer locks nobody out. The rows are looked at twice a second for what another
//! process changed, such as `tailwater keys`.

mod key;
mod registry;
mod scope;
mod secret;
pub mod ticket;

pub use key::Key;
pub use registry::{Access, AccessError, Ended, NOBODY};
pub use scope::{Scope, Scopes, UnknownScope};
pub use secret::Secret;
pub use ticket::{Subject, Ticket, TicketError};
