//! Answers that handlers put together by hand.

mod account;
mod jobs;
mod media;

pub use account::{
    Credits, Delivery, DeliveryPage, Key, KeyList, LedgerEntry, LedgerPage, Readiness, Revoked,
    Session, Ticket,
};
pub use jobs::{
    CancelAnswer, End, EventPage, File, Job, JobPage, JobSummary, Links, PagedEvent, Project,
    Pushed, RequeueAnswer, Submitted,
};
pub use media::{Input, MinimaxTask, Model, ModelPage, Prediction, RunwayTask};
