//! The parts of a server, each opened as the settings say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::config::{self, Settings};
use crate::credits;
use crate::db::credits::OpenAccount;
use crate::db::{self, Db, Writer};
use crate::descriptors;
use crate::event::{EventId, now_ms};
use crate::fanout::{self, Engine};
use crate::http;
use crate::store::{self, Journal, Store};

use super::{Error, cluster, place};

/// How often it is looked whether the last reader has left.
const LOOK: Duration = Duration::from_millis(20);

/// For how many readers there is room from the start; more than a machine has ports for.
const ROOM: usize = 1 << 20;

/// Reads the keys; the streams of one that is revoked end.
pub(super) async fn open_access(
    store: &Store,
    engine: Option<Arc<Engine>>,
) -> Result<Access, Error> {
    let ended = move |key| {
        if let Some(engine) = &engine {
            engine.revoke(key);
        }
    };
    Ok(Access::open(store, Arc::new(ended)).await?)
}

/// Without a key everybody who reaches the server may do everything, so only this machine may.
pub(super) fn check_is_safe(
    settings: &Settings,
    address: SocketAddr,
    access: &Access,
) -> Result<(), Error> {
    if access.is_open() && !address.ip().is_loopback() {
        return Err(Error::NoKeys { address, data: settings.data.clone() });
    }
    Ok(())
}

/// Starts what serves streams, unless hyper is to.
pub(super) fn start_engine(
    settings: &Settings,
    store: &Store,
) -> Result<Option<Arc<Engine>>, Error> {
    if settings.engine == config::Engine::Hyper {
        return Ok(None);
    }
    let options = fanout::Options {
        shards: std::thread::available_parallelism().map_or(1, usize::from),
        room: descriptors::raise_limit().min(ROOM),
        keep_alive: settings.keep_alive,
        stall: settings.stall_timeout,
        drain: http::streaming::DRAIN,
        words: Arc::new(http::handover::ControlWords),
    };
    Engine::start(store, &options).map(|engine| Some(Arc::new(engine))).map_err(Error::Engine)
}

/// Tells the engine's readers to come back, and ends it when they have left or the time is up.
pub(super) async fn drain_engine(engine: Option<Arc<Engine>>, deadline: &CancellationToken) {
    let Some(engine) = engine else { return };
    engine.drain();
    let left = async {
        while engine.readers() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    deadline.run_until_cancelled(left).await;
    let stopped = tokio::task::spawn_blocking(move || engine.stop());
    if let Err(error) = stopped.await {
        tracing::error!(%error, "the streams did not end in order");
    }
}

/// Opens the database: for us alone, or as a node of a cluster.
pub(super) async fn open_database(
    settings: &Settings,
) -> Result<(Db, Writer, db::Versions), Error> {
    match (&settings.events, &settings.database) {
        (Some(_), Some(url)) => Ok(db::open_shared(url).await?),
        (Some(_), None) => Err(Error::EventsAlone),
        (None, _) => Ok(db::open(place(settings)).await?),
    }
}

/// A store at work.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) journal: tokio::task::JoinHandle<()>,
    pub(super) stop: CancellationToken,
    /// What people should know of it.
    pub(super) notes: Vec<String>,
}

pub(super) async fn open_store(
    settings: &Settings,
    address: SocketAddr,
    db: Db,
    mut writer: Writer,
) -> Result<Opened, Error> {
    let options = store::Options {
        memory_limit: settings.memory_limit,
        journal_limit: settings.journal_limit,
        memory_retention: settings.retention_memory,
        database_retention: settings.retention_database,
        ..store::Options::default()
    };
    let (store, feed, notes) = match &settings.events {
        Some(events) => cluster::join(settings, events, address, db, &mut writer, options).await?,
        None => {
            let epochs = writer.begin_epoch(now_ms()).await?;
            let (journal, feed) = Journal::new(epochs.last_committed());
            (Store::new(db, epochs, options, journal), feed, Vec::new())
        }
    };
    let stop = CancellationToken::new();
    let journal = store.clone().run_journal(writer, feed, stop.clone());
    let together = store.clone().run_cluster();
    let journal = tokio::spawn(async move {
        // To the last write the others are listened to: they may have to write something first.
        tokio::select! {
            () = journal => {}
            () = together => {}
        }
    });
    Ok(Opened { store, journal, stop, notes })
}

/// Opens the account that pays for jobs, where it is not open yet.
pub(super) async fn open_account(store: &Store, demo: u32) -> Result<(), Error> {
    let account = credits::DEFAULT_ACCOUNT.to_owned();
    let open = OpenAccount { account, demo: credits::Micro::of_credits(demo).get(), now: now_ms() };
    store.journal().change_after(EventId::ZERO, open).await?;
    Ok(())
}

pub(super) fn http_options(settings: &Settings) -> http::Options {
    http::Options {
        body_limit: settings.body_limit,
        media_body_limit: settings.body_limit.saturating_mul(32),
        lipsync_wait: settings.lipsync_wait,
        upload_limit: settings.upload_limit as u64,
        event_limit: settings.event_limit,
        keep_alive: settings.keep_alive,
        max_stream_age: settings.max_stream_age,
        stall_timeout: settings.stall_timeout,
        upload_allow_private: settings.upload_allow_private,
        public_url: public_url(settings),
        cors_origins: settings.cors_origins.clone(),
        job_time_limit: settings.job_time_limit,
        chat_idle_timeout: settings.chat_idle_timeout,
    }
}

/// What clients reach this server by, without a slash at the end.
pub(super) fn public_url(settings: &Settings) -> Option<String> {
    settings.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned())
}

pub(super) fn notes_of(settings: &Settings, access: &Access) -> Vec<String> {
    let mut notes = Vec::new();
    if settings.workers == 0 {
        notes.push("this process runs no jobs (workers = 0)".into());
    }
    if access.is_open() {
        notes.push(
            "NO KEYS: whoever reaches this address may do everything; `tailwater keys create` makes \
             one, and closes the server to everybody else"
                .into(),
        );
    }
    notes
}
