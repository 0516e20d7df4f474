//! What belongs to whoever asks: credits, keys, sessions; and how the server is.

use utoipa::ToSchema;

use crate::http::openapi::bodies::Scope;

/// What there is to spend, in micro-credits and as texts for people.
#[derive(Debug, ToSchema)]
pub struct Credits {
    /// The account.
    pub account: String,
    /// What the texts count.
    pub currency: String,
    /// What can be spent.
    pub available: i64,
    /// The same for people.
    pub available_credits: String,
    /// What jobs in flight may cost.
    pub held: i64,
    /// The same for people.
    pub held_credits: String,
    /// What was ever given.
    pub granted: i64,
    /// The same for people.
    pub granted_credits: String,
    /// What completed jobs did cost.
    pub captured: i64,
    /// The same for people.
    pub captured_credits: String,
}

/// A movement of credits.
#[derive(Debug, ToSchema)]
pub struct LedgerEntry {
    /// Rises.
    pub id: i64,
    /// `grant`, `hold`, `capture` or `release`.
    pub entry: String,
    /// The job.
    #[schema(required)]
    pub job_id: Option<String>,
    /// What a grant was for.
    #[schema(required)]
    pub note: Option<String>,
    /// When.
    pub at: i64,
    /// How much, in micro-credits.
    pub amount: i64,
    /// The same for people.
    pub amount_credits: String,
    /// What can be spent afterwards.
    pub available_after: i64,
    /// The same for people.
    pub available_after_credits: String,
}

/// Movements, newest first.
#[derive(Debug, ToSchema)]
pub struct LedgerPage {
    /// The movements.
    pub entries: Vec<LedgerEntry>,
    /// `before` of the next page; nothing on the last.
    #[schema(required)]
    pub next: Option<i64>,
}

/// A webhook on its way to one address.
#[derive(Debug, ToSchema)]
pub struct Delivery {
    /// Rises.
    pub id: i64,
    /// The job whose end it tells.
    pub job_id: String,
    /// The same in every attempt, for the receiver to know it by.
    pub webhook_id: String,
    /// Where it goes, without the query.
    pub url: String,
    /// `pending`, `delivered` or `given_up`.
    pub status: String,
    /// How often it was sent.
    pub attempts: u32,
    /// The status that the last attempt was answered with.
    #[schema(required)]
    pub last_status: Option<u16>,
    /// Why the last attempt was not heard.
    #[schema(required)]
    pub last_error: Option<String>,
    /// When it is sent next.
    #[schema(required)]
    pub next_at: Option<i64>,
    /// When it was last sent.
    #[schema(required)]
    pub attempted_at: Option<i64>,
    /// When the job ended.
    pub created_at: i64,
    /// When it was heard, or given up.
    #[schema(required)]
    pub ended_at: Option<i64>,
}

/// Deliveries, newest first.
#[derive(Debug, ToSchema)]
pub struct DeliveryPage {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// `before` of the next page; nothing on the last.
    #[schema(required)]
    pub next: Option<i64>,
}

/// A key; its secret is told once, when it is made.
#[derive(Debug, ToSchema)]
pub struct Key {
    /// The key.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it may.
    pub scopes: Vec<Scope>,
    /// The only project that it may see and act in.
    #[schema(required)]
    pub project_id: Option<String>,
    /// When it was made.
    pub created_at: i64,
    /// When it ends by itself.
    #[schema(required)]
    pub expires_at: Option<i64>,
    /// When it was revoked.
    #[schema(required)]
    pub revoked_at: Option<i64>,
    /// When it was used last, about.
    #[schema(required)]
    pub last_used_at: Option<i64>,
    /// The secret; only in the answer that makes it.
    #[schema(nullable = false)]
    pub key: Option<String>,
}

/// Every key, oldest first.
#[derive(Debug, ToSchema)]
pub struct KeyList {
    /// The keys.
    pub keys: Vec<Key>,
}

/// A key that opens nothing any more.
#[derive(Debug, ToSchema)]
pub struct Revoked {
    /// The key.
    pub id: String,
    /// Always true.
    pub revoked: bool,
}

/// What a page can carry in a URL; on a server without keys there is none, nor a need.
#[derive(Debug, ToSchema)]
pub struct Ticket {
    /// The ticket.
    #[schema(required)]
    pub ticket: Option<String>,
    /// Until when it is good.
    #[schema(required)]
    pub expires_at: Option<i64>,
    /// The stream, with the ticket in it.
    pub stream_url: String,
}

/// Who the caller is, and what it may.
#[derive(Debug, ToSchema)]
pub struct Session {
    /// `open` on a server without keys, `key`, `session` or `ticket`.
    pub kind: String,
    /// What it may.
    pub scopes: Vec<Scope>,
    /// The key, or the session.
    #[schema(nullable = false)]
    pub id: Option<String>,
    /// The only job that a ticket opens.
    pub job_id: Option<String>,
    /// The only project that it may see and act in.
    pub project_id: Option<String>,
    /// Until when.
    pub expires_at: Option<i64>,
}

/// Whether new jobs are taken.
#[derive(Debug, ToSchema)]
pub struct Readiness {
    /// Whether they are.
    pub ready: bool,
    /// Why not: `draining`, `database`, `memory` or `journal`.
    #[schema(required)]
    pub reason: Option<String>,
    /// The newest event of all.
    pub head: u64,
    /// The newest event that is committed.
    pub durable_through: u64,
    /// How many events are not committed yet.
    pub not_durable: u32,
    /// What events take in memory.
    pub memory_bytes: u64,
    /// How many jobs run.
    pub running_jobs: u64,
    /// The number of this node of a cluster; nothing for a server that is alone.
    #[schema(required)]
    pub node: Option<u64>,
    /// Whether nothing can be appended at the moment, for the event log of the cluster is out of reach.
    pub degraded: bool,
}
