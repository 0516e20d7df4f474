//! NATS: the log that the nodes of a cluster share, and what they call out to each other.
//!
//! The log is one `JetStream` stream, in which each job has a subject. Nothing here knows what is in
//! it: entries go in, and come out again with their numbers, in one order for everybody.

pub mod address;
mod error;
mod log;

pub use address::Address;
pub use error::NatsError;
pub use log::{Entries, Entry, Log};

use std::time::Duration;

use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::{Client, ConnectOptions, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;

/// How long a server may leave a question unanswered.
const ANSWER: Duration = Duration::from_secs(4);

/// How often a connection is tried for life; it is given up after two without an answer.
const PING: Duration = Duration::from_secs(2);

/// How long a reconnect waits at most.
const RECONNECT: Duration = Duration::from_secs(1);

/// How many entries may be on their way at once.
const IN_FLIGHT: usize = 16_384;

/// A connection to NATS; cheap to clone.
#[derive(Clone, Debug)]
pub struct Nats {
    client: Client,
    context: Context,
    /// What all names of this cluster begin with.
    name: String,
}

impl Nats {
    /// Connects; from then on a lost connection is made again by itself, for ever.
    ///
    /// # Errors
    /// [`NatsError`] when no server answers, or none takes us.
    pub async fn connect(address: &Address, node: &str) -> Result<Self, NatsError> {
        let unreachable = |source| NatsError::Connect { place: address.to_string(), source };
        let options = ConnectOptions::new()
            .name(format!("tailwater {node}"))
            .connection_timeout(ANSWER)
            .request_timeout(Some(ANSWER))
            .ping_interval(PING)
            .reconnect_delay_callback(|tries| {
                RECONNECT.min(Duration::from_millis(50) * u32::try_from(tries).unwrap_or(20))
            })
            .event_callback(|event| async move { tracing::debug!(%event, "NATS") });
        let client = options.connect(address.servers()).await.map_err(unreachable)?;
        let context = ContextBuilder::new()
            .timeout(ANSWER)
            .ack_timeout(ANSWER)
            .max_ack_inflight(IN_FLIGHT)
            .build(client.clone());
        Ok(Self { client, context, name: address.name().to_owned() })
    }

    /// The largest entry that the server takes, in bytes.
    #[must_use]
    pub fn most_bytes(&self) -> usize {
        self.client.server_info().max_payload
    }

    /// Calls something out to every node that listens at this moment, ourselves too. Nobody says
    /// whether anybody has heard.
    pub async fn call(&self, subject: &str, words: impl Into<Bytes>) {
        let subject = self.call_subject(subject);
        if let Err(error) = self.client.publish(subject, words.into()).await {
            tracing::debug!(%error, "cannot call out to the other nodes");
        }
    }

    /// Hears what is called out under all subjects that begin so.
    ///
    /// # Errors
    /// [`NatsError`] when the connection was closed for good.
    pub async fn hear(&self) -> Result<Calls, NatsError> {
        let subject = self.call_subject(">");
        let heard = self.client.subscribe(subject).await.map_err(NatsError::other)?;
        Ok(Calls { heard, prefix: self.call_subject("").len() })
    }

    /// Calls something out, and counts who says that it is done: up to so many. Whoever does not want to
    /// wait any longer drops this.
    ///
    /// # Errors
    /// [`NatsError`] when it cannot be called out.
    pub async fn call_and_hear(
        &self,
        subject: &str,
        words: impl Into<Bytes>,
        most: usize,
    ) -> Result<(), NatsError> {
        let inbox = self.client.new_inbox();
        let answers = self.client.subscribe(inbox.clone()).await.map_err(NatsError::other)?;
        let subject = self.call_subject(subject);
        let called = self.client.publish_with_reply(subject, inbox, words.into()).await;
        called.map_err(NatsError::other)?;
        answers.take(most).for_each(async |_| {}).await;
        Ok(())
    }

    /// Says that what somebody has called out is done, where they wait for it.
    pub async fn say_done(&self, caller: Caller) {
        if let Err(error) = self.client.publish(caller.0, Bytes::new()).await {
            tracing::debug!(%error, "cannot answer another node");
        }
    }

    fn call_subject(&self, subject: &str) -> String {
        format!("{}.call.{subject}", self.name)
    }
}

/// Who waits for what they have called out.
#[derive(Clone, Debug)]
pub struct Caller(Subject);

/// Something that a node has called out.
#[derive(Debug)]
pub struct Call {
    /// What it is about.
    pub subject: String,
    /// What is said.
    pub words: Bytes,
    /// Who waits until it is done, if somebody does.
    pub caller: Option<Caller>,
}

/// What nodes call out.
#[derive(Debug)]
pub struct Calls {
    heard: Subscriber,
    prefix: usize,
}

impl Calls {
    /// The next call; nothing once the connection was closed.
    pub async fn next(&mut self) -> Option<Call> {
        let message = self.heard.next().await?;
        Some(Call {
            subject: message.subject.as_str().get(self.prefix..)?.to_owned(),
            words: message.payload,
            caller: message.reply.map(Caller),
        })
    }
}
