//! Providers beside a server, as real ones are: they outlive it, and the nodes of a cluster share them.

use std::collections::HashMap;

use tailwater::config::Settings;
use tailwater::simulator::{self, Simulator};
use tokio_util::sync::CancellationToken;

use super::{TestServer, balancer, client, cluster};

/// The providers of media.
pub const MEDIA: [&str; 5] = ["replicate", "fal", "runway", "minimax", "bfl"];

/// The simulator, at one speed.
pub struct Providers {
    simulator: Simulator,
    speed: f64,
    stop: CancellationToken,
}

/// The simulator ends with its providers.
impl Drop for Providers {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Providers {
    pub async fn start(speed: f64) -> Self {
        drop(client());
        let stop = CancellationToken::new();
        let options = simulator::Options { speed };
        let simulator = simulator::start(options, stop.clone()).await.expect("a simulator");
        Self { simulator, speed, stop }
    }

    /// Where a provider is.
    pub fn base(&self, provider: &str) -> String {
        self.simulator.media(provider).expect("a provider").to_owned()
    }

    pub fn bases(&self) -> HashMap<String, String> {
        MEDIA.map(|provider| (provider.to_owned(), self.base(provider))).into()
    }

    /// Has a server work with them.
    pub fn work_for(&self, settings: &mut Settings) {
        let place = |provider| Some(self.base(provider));
        settings.replicate_base_url = place("replicate");
        settings.fal_base_url = place("fal");
        settings.runway_base_url = place("runway");
        settings.minimax_base_url = place("minimax");
        settings.bfl_base_url = place("bfl");
        for key in [
            &mut settings.replicate_api_token,
            &mut settings.fal_key,
            &mut settings.runwayml_api_secret,
            &mut settings.minimax_api_key,
            &mut settings.bfl_api_key,
        ] {
            *key = Some("simulated-key".into());
        }
        settings.simulator_speed = self.speed;
    }
}

/// Providers that call back. A server that is alone plays them itself, and they know where it is; the nodes
/// of a cluster share them, and are called by way of the balancer.
pub struct CallingBack {
    shared: Option<Providers>,
    speed: f64,
}

impl CallingBack {
    pub async fn start(speed: f64) -> Self {
        let is_shared = cluster::is_cluster();
        Self { shared: if is_shared { Some(Providers::start(speed).await) } else { None }, speed }
    }

    /// Has a server work with them.
    pub fn work_for(&self, settings: &mut Settings) {
        settings.simulator_speed = self.speed;
        settings.public_url = Some("http://tailwater.test".into());
        if let Some(shared) = &self.shared {
            shared.work_for(settings);
            settings.listen = balancer::free_address();
            settings.public_url = Some(format!("http://{}", settings.listen));
        }
    }

    /// Where each of them is, of this server.
    pub async fn bases(&self, server: &TestServer) -> HashMap<String, String> {
        if let Some(shared) = &self.shared {
            return shared.bases();
        }
        let info = server.get("/api/info").await.1;
        serde_json::from_value(info["simulators"].clone()).expect("addresses")
    }
}
