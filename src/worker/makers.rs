//! The makers of media: each provider with what bounds it.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::catalog::{Catalog, Model};
use crate::db::permits::Permit;
use crate::provider::media::Service;

use super::gate::{self, Gate, Health};
use super::lane::Lane;

/// The shortest time limit of a simulated provider.
const LEAST_LIMIT: Duration = Duration::from_secs(10);

/// A provider as it is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its name in the catalog.
    pub name: String,
    /// How it is spoken to.
    pub service: Arc<dyn Service>,
    /// Whether it is simulated.
    pub simulated: bool,
    /// How many times faster than the real provider it is: polls, pauses and time limits are that
    /// much shorter. 1 for a real one.
    pub speed: f64,
    /// The host that its files may be fetched from although its address is private.
    pub trusted_host: Option<String>,
    /// Under which address it reaches this server, without a slash at the end; without it, it is
    /// not asked to call back.
    pub callback_base: Option<String>,
}

/// How providers are bounded.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// How many jobs run at once where nothing else is said.
    pub permits: usize,
    /// The same for some providers, by name.
    pub concurrency: BTreeMap<String, usize>,
    /// How many starts a minute some providers take, by name; the catalog's figure for the others.
    pub starts_per_minute: BTreeMap<String, NonZeroU32>,
    /// Over how long several starts are spread.
    pub start_jitter: Duration,
}

/// A provider at work.
#[derive(Debug)]
pub(super) struct Maker {
    pub(super) setup: Setup,
    pub(super) gate: Gate,
    permits: Arc<Semaphore>,
    /// How many jobs of its run at once on all nodes of a cluster, where that was said for it alone.
    bound: Option<usize>,
}

impl Maker {
    /// What bounds its jobs on all nodes of a cluster together.
    fn pool(&self) -> Option<Permit> {
        self.bound.map(|limit| pool(format!("provider {}", self.setup.name), limit))
    }

    /// How long a model's work may take here.
    ///
    /// What a fast simulator says in whole seconds (`Retry-After`) is not faster, and the machine
    /// is not either: so its limits do not shrink to less than a few seconds.
    pub(super) fn time_limit(&self, model: &Model) -> Duration {
        let least = LEAST_LIMIT.min(model.time_limit);
        self.scaled(model.time_limit).max(least)
    }

    /// A time of a real provider, as long as it is for this one.
    pub(super) fn scaled(&self, time: Duration) -> Duration {
        time.div_f64(self.setup.speed)
    }
}

fn pool(name: String, limit: usize) -> Permit {
    Permit { pool: name, limit: i64::try_from(limit).unwrap_or(i64::MAX) }
}

/// A rate of a real provider, as high as it is for one that is this many times faster.
fn faster(starts: NonZeroU32, speed: f64) -> NonZeroU32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a float saturates, and both factors are positive"
    )]
    let starts = (f64::from(starts.get()) * speed) as u32;
    NonZeroU32::new(starts).unwrap_or(NonZeroU32::MIN)
}

/// All providers, and the catalog of what they make; cheap to clone.
#[derive(Clone, Debug)]
pub struct Makers {
    /// The models.
    pub catalog: Catalog,
    makers: Arc<HashMap<String, Arc<Maker>>>,
    /// The permits of models that have their own.
    models: Arc<HashMap<String, Arc<Semaphore>>>,
}

impl Makers {
    /// These providers, bounded like this.
    #[must_use]
    pub fn new(catalog: Catalog, setups: Vec<Setup>, bounds: &Bounds) -> Self {
        let permits = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let maker = |setup: Setup| {
            let of_catalog = catalog
                .provider(&setup.name)
                .and_then(|provider| provider.requests_per_minute)
                .and_then(NonZeroU32::new);
            let gate = Gate::new(gate::Options {
                starts_per_minute: bounds
                    .starts_per_minute
                    .get(&setup.name)
                    .copied()
                    .or(of_catalog)
                    .map(|starts| faster(starts, setup.speed)),
                start_jitter: bounds.start_jitter.div_f64(setup.speed),
                speed: setup.speed,
            });
            let bound = bounds.concurrency.get(&setup.name).copied();
            let permits = permits(bound.unwrap_or(bounds.permits));
            (setup.name.clone(), Arc::new(Maker { setup, gate, permits, bound }))
        };
        let own = |model: &Arc<Model>| {
            model.concurrency.map(|count| (model.slug.clone(), permits(count as usize)))
        };
        let models = Arc::new(catalog.iter().filter_map(own).collect());
        Self { makers: Arc::new(setups.into_iter().map(maker).collect()), models, catalog }
    }

    /// A provider.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Maker>> {
        self.makers.get(name)
    }

    /// Every provider.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Maker>> {
        self.makers.values()
    }

    /// How a provider is spoken to.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Arc<dyn Service>> {
        self.makers.get(name).map(|maker| &maker.setup.service)
    }

    /// How well a provider is.
    #[must_use]
    pub fn health(&self, name: &str) -> Option<Health> {
        self.makers.get(name).map(|maker| maker.gate.health())
    }

    /// The names of all providers, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.makers.keys().cloned().collect();
        names.sort();
        names
    }

    /// The lane of each model, by slug.
    #[must_use]
    pub fn lanes_of_models(&self) -> HashMap<String, String> {
        let lane = |model: &Arc<Model>| (model.slug.clone(), model.lane().to_owned());
        self.catalog.iter().map(lane).collect()
    }

    /// The names of the providers that are simulated.
    #[must_use]
    pub fn simulated(&self) -> Vec<String> {
        let simulated = self.makers.values().filter(|maker| maker.setup.simulated);
        let mut names: Vec<_> = simulated.map(|maker| maker.setup.name.clone()).collect();
        names.sort();
        names
    }

    /// Whether a provider is simulated.
    #[must_use]
    pub fn is_simulated(&self, name: &str) -> bool {
        self.makers.get(name).is_some_and(|maker| maker.setup.simulated)
    }

    /// Every lane of theirs.
    pub(super) fn lanes(&self) -> Vec<Lane> {
        let whole = self.makers.iter().map(|(name, maker)| Lane {
            name: name.clone(),
            maker: Some(Arc::clone(maker)),
            permits: vec![Arc::clone(&maker.permits)],
            pools: maker.pool().into_iter().collect(),
        });
        let single = self.models.iter().filter_map(|(slug, permits)| {
            let model = self.catalog.get(slug)?;
            let maker = self.makers.get(&model.provider)?;
            let own = model.concurrency.map(|count| pool(format!("model {slug}"), count as usize));
            Some(Lane {
                name: slug.clone(),
                maker: Some(Arc::clone(maker)),
                // The model's own permit first: who waits for it must not hold the provider's.
                permits: vec![Arc::clone(permits), Arc::clone(&maker.permits)],
                pools: own.into_iter().chain(maker.pool()).collect(),
            })
        });
        whole.chain(single).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::provider::media::Place;
    use crate::provider::{local_client, registry};

    /// fal alone, with so many permits; nothing answers where it is.
    pub(in super::super) fn makers(permits: usize) -> Makers {
        rustls::crypto::ring::default_provider().install_default().ok();
        let place = Place { base_url: Some("http://127.0.0.1:9".into()), ..Place::default() };
        let setup = Setup {
            name: "fal".into(),
            service: registry::connect("fal", local_client().unwrap(), place).unwrap(),
            simulated: true,
            speed: 1.0,
            trusted_host: None,
            callback_base: None,
        };
        let bounds = Bounds { permits, ..Bounds::default() };
        Makers::new(Catalog::builtin(), vec![setup], &bounds)
    }
}
