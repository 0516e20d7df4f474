//! Query parameters and headers, as operations take them.

use utoipa::IntoParams;

use crate::job::{Kind, Status};

/// Which jobs to list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Jobs {
    /// Only those in this status.
    pub status: Option<Status>,
    /// Only those of this kind.
    pub kind: Option<Kind>,
    /// Only those of this project.
    #[param(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
    /// How many at most; 50 otherwise.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// Only older ones than this job: `next` of the page before.
    pub before: Option<String>,
}

/// Where a stream goes on, and what it says.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Stream {
    /// The id of the last event that the reader has; `Last-Event-ID` wins over it.
    pub after: Option<String>,
    /// `event` for keep-alives as events, which a page sees, instead of comments; or after how many
    /// seconds of silence there is to be one, 1 to 600.
    pub keepalive: Option<String>,
}

/// What a native `EventSource` sends when it comes back.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Resume {
    /// The id of the last event that the reader has.
    #[param(rename = "Last-Event-ID")]
    pub last_event_id: Option<String>,
}

/// Which events to get.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Events {
    /// The id of the last event that the reader has.
    pub after: Option<String>,
    /// How many at most; 200 otherwise.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// How many seconds to wait until there is one.
    #[param(minimum = 0, maximum = 25)]
    pub wait: Option<u32>,
}

/// What a poller has, and how long it waits for something else.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wait {
    /// How many seconds to wait while the answer is the one that `If-None-Match` names.
    #[param(minimum = 0, maximum = 25)]
    pub wait: Option<u32>,
}

/// What a poller has already.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Has {
    /// The `ETag` of the answer that the client has: 304 when it is still the same.
    #[param(rename = "If-None-Match")]
    pub if_none_match: Option<String>,
}

/// What makes a request safe to repeat.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Once {
    /// The same key with the same request gets the first answer again: 1 to 255 visible ASCII
    /// characters.
    #[param(rename = "Idempotency-Key", pattern = "^[!-~]{1,255}$")]
    pub idempotency_key: Option<String>,
}

/// The bytes that are wanted, and as what.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Download {
    /// `1` for a file that the browser saves instead of showing it.
    pub download: Option<String>,
}

/// A part of a file.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Part {
    /// As in `bytes=0-1023`; one range.
    #[param(rename = "Range")]
    pub range: Option<String>,
    /// The `ETag` that the part must be of; otherwise the whole file is sent.
    #[param(rename = "If-Range")]
    pub if_range: Option<String>,
}

/// Whose account is meant.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Project {
    /// The project; what it is without depends on the key.
    #[param(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
}

/// Which movements of credits to list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Ledger {
    /// The project whose account is meant.
    #[param(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
    /// How many at most; 50 otherwise.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// Only older ones than this entry: `next` of the page before.
    #[param(minimum = 1)]
    pub before: Option<i64>,
}

/// Which deliveries to list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Deliveries {
    /// Only those of this job.
    #[param(pattern = "^job_[A-Za-z0-9_-]{1,64}$")]
    pub job: Option<String>,
    /// Only those that stand like this: `pending`, `delivered` or `given_up`.
    #[param(pattern = "^(pending|delivered|given_up)$")]
    pub status: Option<String>,
    /// Only those of jobs of this project.
    #[param(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
    /// How many at most; 50 otherwise.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// Only older ones than this one: `next` of the page before.
    #[param(minimum = 1)]
    pub before: Option<i64>,
}

/// Which models to list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Models {
    /// Only those of this provider.
    pub provider: Option<String>,
    /// Only those with this mode, as in `text-to-video`.
    pub mode: Option<String>,
    /// Only those that make `video`, `image` or `lipsync`.
    pub kind: Option<String>,
}

/// What a file is to be called, and whose it is.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NewUpload {
    /// The project; `default` otherwise.
    #[param(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub project_id: Option<String>,
    /// The file's name.
    pub name: Option<String>,
}
