//! The server: build, spawn, serve, drain.

pub mod backup;
mod check;
mod cluster;
mod edge;
pub mod error;
pub mod folder;
mod hooks;
pub mod keys;
mod leftover;
mod makers;
mod parts;
pub mod providers;
mod storage;

pub use check::{check, files};
pub use error::Error;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::artifact::Location;
use crate::config::Settings;
use crate::db::{self, Db, Place};
use crate::descriptors;
use crate::http::serve::{self, Ends};
use crate::http::{self, App};
use crate::outward::Outward;
use crate::provider;
use crate::queue::Queue;
use crate::queue::claim::RecoverError;
use crate::reconcile::Reconciler;
use crate::tls::{Renewal, Tls};
use crate::worker::{self, Workshop};

use folder::Folder;
use providers::Providers;

/// How long streams and requests may take to end once the server goes down.
const DRAIN_LIMIT: Duration = Duration::from_millis(4_500);

/// How long handing jobs back and writing the last events may take after that.
const SETTLE_LIMIT: Duration = Duration::from_secs(4);

/// How a running server is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// In order: no new work, jobs handed back, streams told goodbye, everything written.
    pub stop: CancellationToken,
    /// At once: what is not durable is lost, as in a crash.
    pub abort: CancellationToken,
}

/// What a person wants to know when the server is up.
#[derive(Clone, Debug)]
pub struct Banner {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it speaks TLS there.
    pub is_tls: bool,
    /// The providers that are simulated.
    pub simulated: Vec<String>,
    /// A sentence about the voice, where it is ours.
    pub voice_note: Option<String>,
    /// The data folder.
    pub data: PathBuf,
    /// The database, where it is not in that folder.
    pub database: Option<String>,
    /// Where files are, where that is not in that folder.
    pub artifacts: Option<String>,
    /// Anything else.
    pub notes: Vec<String>,
}

/// Runs a server until it is told to stop; `announce` is called once it takes connections.
///
/// # Errors
/// What kept it from starting, or what it could not finish.
pub async fn run(
    settings: &Settings,
    signals: Signals,
    announce: &mut (dyn FnMut(&Banner) + Send),
) -> Result<(), Error> {
    descriptors::raise_limit();
    let tls = edge::tls(settings)?;
    // The address first: a second server fails before it touches anything.
    let failed = |source| Error::Listen { address: settings.listen, source };
    let bind = || serve::bind(settings.listen).map_err(failed);
    let listener = leftover::take(bind).await?;
    let address = listener.local_addr().map_err(failed)?;
    let folder = leftover::take(|| Folder::lock(&settings.data)).await?;
    let running = tokio::select! {
        started = Server::start(settings, address, tls) => started?,
        () = signals.abort.cancelled() => return Ok(()),
    };
    announce(&running.banner);
    tokio::select! {
        () = running.serve(listener, signals.stop) => {}
        () = signals.abort.cancelled() => {}
    }
    drop(folder);
    Ok(())
}

/// Applies what is missing of the migrations, for `tailwater migrate`.
///
/// # Errors
/// When the folder is in use, or the database cannot be opened or migrated.
pub async fn migrate(settings: &Settings) -> Result<String, Error> {
    let _folder = Folder::lock(&settings.data)?;
    let place = place(settings);
    let (readers, writer, versions) = db::open(place).await?;
    readers.close().await;
    writer.close().await;
    let name = place.name()?;
    Ok(if versions.from == versions.to {
        format!("{name} is up to date (version {})", versions.to)
    } else {
        format!("{name}: version {} -> {}", versions.from, versions.to)
    })
}

/// Where the database is.
pub fn place(settings: &Settings) -> Place<'_> {
    settings.database.as_ref().map_or(Place::Folder(&settings.data), Place::Postgres)
}

/// A server that is up.
struct Server {
    app: App,
    serving: serve::Options,
    renewal: Option<Renewal>,
    db: Db,
    workshop: Workshop,
    banner: Banner,
    draining: CancellationToken,
    journal: tokio::task::JoinHandle<()>,
    journal_stop: CancellationToken,
    simulator_stop: CancellationToken,
}

impl Server {
    async fn start(
        settings: &Settings,
        address: SocketAddr,
        tls: Option<Tls>,
    ) -> Result<Self, Error> {
        let (db, writer, _) = parts::open_database(settings).await?;
        let artifacts = storage::open(settings).await?;
        let simulator_stop = CancellationToken::new();
        let providers = Providers::connect(settings, address, simulator_stop.clone()).await?;
        let draining = CancellationToken::new();
        let opened = parts::open_store(settings, address, db.clone(), writer).await?;
        let parts::Opened { store, journal, stop: journal_stop, mut notes } = opened;
        let queue = Queue::new(store.clone(), edge::room(settings), draining.clone());
        parts::open_account(&store, settings.demo_credits).await?;
        let outward = Arc::new(Outward::new().map_err(provider::Error::from)?);
        let webhooks = hooks::connect(settings, &queue, &outward).await?;
        if store.cluster().is_none() {
            queue.recover().await?;
        }
        queue.relane(providers.makers.lanes_of_models()).await.map_err(RecoverError::from)?;
        let mut banner = Banner {
            address,
            is_tls: tls.is_some(),
            simulated: providers.simulated.clone(),
            voice_note: providers.voice_note(),
            data: settings.data.clone(),
            database: settings
                .database
                .as_ref()
                .map(|url| Place::Postgres(url).name())
                .transpose()?,
            artifacts: settings.artifacts.as_ref().map(Location::to_string),
            notes: Vec::new(),
        };
        let engine = parts::start_engine(settings, &store)?;
        let access = parts::open_access(&store, engine.clone()).await?;
        parts::check_is_safe(settings, address, &access)?;
        notes.extend(parts::notes_of(settings, &access));
        banner.notes = notes;
        banner.notes.extend(hooks::notes(settings, &db).await);
        let limits = edge::limits(settings);
        let renewal = tls.as_ref().map(Tls::renewal).transpose().map_err(Error::Signal)?;
        let serving = edge::serving(settings, tls, limits.clone(), engine.clone());
        let replays = Arc::<http::webhooks::Replays>::default();
        if let Some(cluster) = store.cluster() {
            replays.share(cluster);
        }
        let app = App {
            access,
            engine,
            store,
            queue: queue.clone(),
            artifacts: artifacts.clone(),
            makers: providers.makers.clone(),
            large_bodies: Arc::new(Semaphore::new(http::LARGE_BODIES)),
            under_way: http::uploads::UnderWay::default(),
            outward: Arc::clone(&outward),
            webhooks,
            replays,
            options: Arc::new(parts::http_options(settings)),
            readers: http::readers::Readers::default(),
            limits,
            draining: draining.clone(),
            info: Arc::new(providers.info()),
        };
        let options = worker::Options {
            permits: settings.workers as usize,
            time_limit: settings.job_time_limit,
            silence_limit: settings.producer_silence,
            output_limit: settings.output_limit as u64,
        };
        let workshop = Workshop::new(
            queue,
            artifacts,
            providers.chat,
            providers.speech,
            providers.makers,
            outward,
            options,
        );
        Ok(Self {
            app,
            serving,
            renewal,
            db,
            workshop,
            banner,
            draining,
            journal,
            journal_stop,
            simulator_stop,
        })
    }

    /// Serves until `stop`, then drains.
    async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let deadline = CancellationToken::new();
        let store = self.app.store.clone();
        tasks.spawn(self.workshop.run(self.draining.clone()));
        tasks.spawn(store.clone().run_retention(self.draining.clone()));
        tasks.spawn(self.app.queue.clone().run_upkeep(self.draining.clone()));
        tasks.spawn(self.app.access.clone().run(self.draining.clone()));
        if let Some(webhooks) = self.app.webhooks.clone() {
            tasks.spawn(webhooks.run(self.draining.clone()));
        }
        tasks.spawn(Reconciler::new(store.clone()).run(self.draining.clone()));
        if let Some(renewal) = self.renewal {
            tasks.spawn(renewal.run(self.draining.clone()));
        }
        let queue = self.app.queue.clone();
        let engine = self.app.engine.clone();
        let router = http::router(self.app);
        let ends = Ends { draining: self.draining.clone(), deadline: deadline.clone() };
        let served = tokio::spawn(serve::serve(listener, router, self.serving, ends));
        stop.cancelled().await;
        tracing::info!("going down: no new work, jobs are handed back, streams say goodbye");
        self.draining.cancel();
        let at_deadline = deadline.clone();
        tokio::spawn(async move {
            tokio::time::sleep(DRAIN_LIMIT).await;
            at_deadline.cancel();
        });
        tasks.close();
        let settled = async {
            tasks.wait().await;
            queue.settle().await;
        };
        let streams_end = parts::drain_engine(engine, &deadline);
        let settled = tokio::time::timeout(DRAIN_LIMIT + SETTLE_LIMIT, settled);
        let (served, settled, ()) = tokio::join!(served, settled, streams_end);
        if served.is_err() || settled.is_err() {
            tracing::warn!("some work did not end in time; the next start takes it over");
        }
        self.journal_stop.cancel();
        if let Err(error) = self.journal.await {
            tracing::error!(%error, "the journal did not end in order");
        }
        self.simulator_stop.cancel();
        self.db.close().await;
    }
}
