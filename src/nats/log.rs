//! The stream in which the events of all jobs stand in one order.

use std::pin::Pin;
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};
use async_nats::jetstream::{ErrorCode, stream::Stream};
use bytes::Bytes;
use futures_util::StreamExt;

use super::{Nats, NatsError};

/// For how long the servers know a message by its id.
const DUPLICATES: Duration = Duration::from_secs(120);

/// How many replicas a stream has where there are servers for them.
const REPLICAS: usize = 3;

/// How many entries there may be that are not in the database yet.
const MOST: i64 = 1 << 23;

/// The stream; cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    nats: Nats,
    stream: Stream<()>,
    first: u64,
    replicas: usize,
}

/// One entry as it came out of the stream.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place: rising, the same for everybody.
    pub seq: u64,
    /// What it belongs to.
    pub subject: String,
    /// What was put in.
    pub payload: Bytes,
}

/// The entries from somewhere on, without end.
pub struct Entries {
    messages: Pin<Box<Ordered>>,
    prefix: usize,
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Entries").finish_non_exhaustive()
    }
}

impl Nats {
    /// The log, if it was ever begun.
    ///
    /// # Errors
    /// [`NatsError`] when nobody answers, or when what is there would lose events.
    pub async fn log(&self) -> Result<Option<Log>, NatsError> {
        let stream = match self.context.get_stream(&self.name).await {
            Ok(stream) => stream,
            Err(error) => {
                return match error.kind() {
                    GetStreamErrorKind::JetStream(error)
                        if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                    {
                        Ok(None)
                    }
                    GetStreamErrorKind::JetStream(error) if is_missing(error.error_code()) => {
                        Err(NatsError::NoJetStream)
                    }
                    _ => Err(NatsError::other(error)),
                };
            }
        };
        self.check(stream.cached_info())?;
        self.opened(stream.cached_info().config.clone()).await.map(Some)
    }

    /// Begins the log with an entry of this number, with three replicas if there are servers for them.
    ///
    /// # Errors
    /// [`NatsError`] when nobody answers, or the servers cannot hold it.
    pub async fn begin_log(&self, first: u64) -> Result<Log, NatsError> {
        let version = self.client.server_info().version;
        if is_too_old(&version) {
            return Err(NatsError::TooOld(version));
        }
        let config = |replicas| Config {
            name: self.name.clone(),
            description: Some("the events of Tailwater's jobs".into()),
            subjects: vec![format!("{}.job.>", self.name)],
            discard: DiscardPolicy::New,
            max_messages: MOST,
            storage: StorageType::File,
            num_replicas: replicas,
            duplicate_window: DUPLICATES,
            first_sequence: Some(first),
            ..Config::default()
        };
        let made = match self.context.create_stream(config(REPLICAS)).await {
            Err(error) if has_too_few_servers(&error.kind()) => {
                self.context.create_stream(config(1)).await
            }
            made => made,
        };
        let made = made.map_err(|error| match error.kind() {
            CreateStreamErrorKind::JetStreamUnavailable => NatsError::NoJetStream,
            CreateStreamErrorKind::JetStream(inner) if is_missing(inner.error_code()) => {
                NatsError::NoJetStream
            }
            _ => NatsError::other(error),
        })?;
        self.opened(made.cached_info().config.clone()).await
    }

    async fn opened(&self, config: Config) -> Result<Log, NatsError> {
        let stream = self.context.get_stream_no_info(&self.name).await.map_err(NatsError::other)?;
        let first = config.first_sequence.unwrap_or(1);
        Ok(Log { nats: self.clone(), stream, first, replicas: config.num_replicas })
    }

    /// Whether an existing stream keeps everything until it is told that it may go.
    fn check(&self, info: &Info) -> Result<(), NatsError> {
        let config = &info.config;
        let unfit = |setting: String, allowed| {
            Err(NatsError::Unfit { stream: self.name.clone(), setting, allowed })
        };
        if config.discard != DiscardPolicy::New {
            return unfit("discard: old".into(), "it must be `new`");
        }
        if config.retention != RetentionPolicy::Limits {
            return unfit(format!("retention: {:?}", config.retention), "it must be `limits`");
        }
        if !config.max_age.is_zero() {
            return unfit(format!("max_age: {:?}", config.max_age), "it must be 0");
        }
        if config.max_messages_per_subject > 0 {
            let setting = format!("max_msgs_per_subject: {}", config.max_messages_per_subject);
            return unfit(setting, "it must be -1");
        }
        Ok(())
    }

    fn job_subject(&self, subject: &str) -> String {
        format!("{}.job.{subject}", self.name)
    }
}

/// Whether the code says that there is no `JetStream` here.
fn is_missing(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT)
}

fn has_too_few_servers(error: &CreateStreamErrorKind) -> bool {
    let CreateStreamErrorKind::JetStream(error) = error else { return false };
    // 10005: no suitable peers for placement.
    let code = error.error_code();
    code == ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED || code == ErrorCode::CLUSTER_NO_PEERS
}

fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(2), numbers.next().unwrap_or(10)) < (2, 10)
}

impl Log {
    /// The number that its first entry got.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// On how many servers it is kept.
    #[must_use]
    pub const fn replicas(&self) -> usize {
        self.replicas
    }

    /// The largest entry that the server takes, in bytes.
    #[must_use]
    pub fn most_bytes(&self) -> usize {
        self.nats.most_bytes()
    }

    /// The number of the newest entry; one below the first where there is none.
    ///
    /// # Errors
    /// [`NatsError`] when nobody leads the stream at the moment.
    pub async fn last(&self) -> Result<u64, NatsError> {
        let info = self.stream.get_info().await.map_err(NatsError::other)?;
        Ok(info.state.last_sequence)
    }

    /// Puts an entry in; gives its number. The same `id` again within two minutes is the same entry.
    ///
    /// # Errors
    /// [`NatsError`]; whether it is in the stream is then not known.
    pub async fn put(&self, subject: &str, id: &str, payload: Bytes) -> Result<u64, NatsError> {
        let message = PublishMessage::build().payload(payload).message_id(id);
        let subject = self.nats.job_subject(subject);
        let sent = self.nats.context.send_publish(subject, message).await;
        let ack = sent.map_err(NatsError::other)?.await.map_err(NatsError::other)?;
        Ok(ack.sequence)
    }

    /// The entries from a number on, in order, by one consumer of our own.
    ///
    /// # Errors
    /// [`NatsError`] when nobody leads the stream at the moment.
    pub async fn entries(&self, from: u64) -> Result<Entries, NatsError> {
        let config = OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from.max(1) },
            ..OrderedConfig::default()
        };
        let consumer = self.stream.create_consumer(config).await.map_err(NatsError::other)?;
        let messages = Box::pin(consumer.messages().await.map_err(NatsError::other)?);
        Ok(Entries { messages, prefix: self.nats.job_subject("").len() })
    }

    /// Gives up all entries below a number.
    ///
    /// # Errors
    /// [`NatsError`]; they stay for now.
    pub async fn purge_below(&self, seq: u64) -> Result<(), NatsError> {
        self.stream.purge().sequence(seq).await.map(drop).map_err(NatsError::other)
    }
}

impl Entries {
    /// The next entries: one, and whatever else has come by then, up to so many. Nothing when the
    /// consumer is lost: a new one goes on.
    ///
    /// # Cancel safety
    /// Safe: what was not given is given the next time.
    pub async fn next(&mut self, most: usize) -> Option<Vec<Entry>> {
        let mut chunks = self.messages.as_mut().ready_chunks(most);
        let mut entries = Vec::new();
        for message in chunks.next().await? {
            match message {
                Ok(message) => entries.extend(self.entry(message)),
                Err(error) => {
                    tracing::debug!(%error, "the consumer of the event log is made again");
                    return (!entries.is_empty()).then_some(entries);
                }
            }
        }
        Some(entries)
    }

    fn entry(&self, message: async_nats::jetstream::Message) -> Option<Entry> {
        let seq = message.info().ok()?.stream_sequence;
        let (message, _) = message.split();
        let subject = message.subject.as_str().get(self.prefix..)?.to_owned();
        Some(Entry { seq, subject, payload: message.payload })
    }
}
