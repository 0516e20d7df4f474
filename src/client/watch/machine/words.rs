//! What goes into a machine and what comes out of it.

/// What of the world a machine is told. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    test,
    derive(serde::Deserialize),
    serde(tag = "what", rename_all = "lowercase", rename_all_fields = "camelCase")
)]
pub enum Happening {
    /// The watch begins.
    Start,
    /// The first event of a stream: only now is it known to get through.
    Hello {
        /// After how long without a byte the server says that it is alive, if it says so.
        keep_alive_ms: Option<u64>,
    },
    /// Bytes came.
    Heard {
        /// Whether they only said that the stream is alive.
        idle: bool,
    },
    /// The stream's `retry:` field.
    Retry {
        /// How long to wait before a reconnect.
        ms: u64,
    },
    /// The server is about to end the stream, and may say when to come back.
    Bye {
        /// How long to wait before a reconnect.
        retry_ms: Option<u64>,
    },
    /// The stream ended or broke.
    Broken {
        /// What happened, for people.
        reason: String,
    },
    /// A carrier gave up and does not tell why, as a native `EventSource` does.
    Closed,
    /// An answer to a stream or a poll that says no.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the server says about coming back; 0 where it says nothing.
        retry_after_ms: u64,
        /// What the server said, for people.
        reason: String,
    },
    /// A poll that came to nothing, without an answer.
    Failed {
        /// What happened, for people.
        reason: String,
    },
    /// A page of events.
    Page {
        /// How many were new.
        events: usize,
        /// When the server wants to be asked again.
        poll_after_ms: Option<u64>,
    },
    /// The stream has another address now.
    Renewed,
    /// What is watched is not the same any more; the stream is to be opened anew.
    Changed,
    /// The network came back, or the machine woke up.
    Wake,
    /// Whether nobody looks.
    Hidden {
        /// Whether it is so.
        hidden: bool,
    },
    /// The deadline has passed.
    Tick,
    /// Nothing more will come.
    Over,
}

/// What whoever runs a machine is to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Open a stream behind the cursor.
    Open,
    /// Ask for the events behind the cursor.
    Poll {
        /// For how many seconds the server may hold the answer.
        wait_s: u64,
    },
    /// Ask for a fresh address of the stream.
    Renew,
    /// Let go of whatever is under way.
    Drop,
    /// The watch is over: against its will, where there is a code.
    End(Option<EndCode>),
}

/// Why a watch ended against its will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCode {
    /// The server refused for good.
    Refused,
    /// There were more failures in a row than are allowed.
    GaveUp,
}

/// Where a watch is; what people are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing got through yet.
    Connecting,
    /// A stream carries the events.
    Live,
    /// Streams do not get through: pages of events are asked for.
    Polling,
    /// What carried the events is lost, and another try is due.
    Reconnecting,
    /// Nothing more will come.
    Ended,
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Nothing: the machine waits for its deadline.
    Nothing,
    /// A stream, opening or open.
    Stream,
    /// A page of events was asked for.
    Poll,
    /// A fresh address was asked for.
    Renew,
}

/// What a machine may do, and how often it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether streams may be tried at all.
    pub streams: bool,
    /// Whether it may fall back to polling.
    pub polls: bool,
    /// Whether the server may be asked to hold a poll.
    pub waits: bool,
    /// Delays are drawn from 0 to this times 2 to the power of the failures; default 500 ms.
    pub base_ms: u64,
    /// What no drawn delay exceeds; default 30,000 ms.
    pub cap_ms: u64,
    /// So many failures in a row are taken, and with one more it gives up; none for never.
    pub limit: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { streams: true, polls: true, waits: true, base_ms: 500, cap_ms: 30_000, limit: None }
    }
}
