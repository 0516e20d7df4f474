//! Which providers make images and videos: real ones, or the simulator.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use secrecy::SecretString;

use crate::catalog::Catalog;
use crate::config::Settings;
use crate::provider::media::Place;
use crate::provider::{client, local_client, registry};
use crate::simulator::Simulator;
use crate::worker::makers::{Bounds, Makers, Setup};

use super::Error;

/// What is sent to a simulated provider in place of a key.
const SIMULATED_KEY: &str = "simulated-key";

/// What the settings say of one provider.
struct Said<'a> {
    name: &'static str,
    base_url: Option<&'a String>,
    key: Option<&'a SecretString>,
}

fn said(settings: &Settings) -> [Said<'_>; 5] {
    [
        Said {
            name: "replicate",
            base_url: settings.replicate_base_url.as_ref(),
            key: settings.replicate_api_token.as_ref(),
        },
        Said {
            name: "fal",
            base_url: settings.fal_base_url.as_ref(),
            key: settings.fal_key.as_ref(),
        },
        Said {
            name: "runway",
            base_url: settings.runway_base_url.as_ref(),
            key: settings.runwayml_api_secret.as_ref(),
        },
        Said {
            name: "minimax",
            base_url: settings.minimax_base_url.as_ref(),
            key: settings.minimax_api_key.as_ref(),
        },
        Said {
            name: "bfl",
            base_url: settings.bfl_base_url.as_ref(),
            key: settings.bfl_api_key.as_ref(),
        },
    ]
}

/// Whether any of these providers has neither key nor base URL.
pub(super) fn need_simulator(settings: &Settings) -> bool {
    said(settings).iter().any(|said| said.base_url.is_none() && said.key.is_none())
}

/// Sets the providers up, with the catalog of what they make.
pub(super) fn connect(
    settings: &Settings,
    simulator: Option<&Simulator>,
    address: SocketAddr,
) -> Result<Makers, Error> {
    let setup = |said: Said<'_>| setup(settings, &said, simulator, address);
    let setups = said(settings).into_iter().map(setup).collect::<Result<Vec<_>, _>>()?;
    let bounds = Bounds {
        permits: settings.workers as usize,
        concurrency: settings
            .concurrency
            .iter()
            .map(|(name, count)| (name.clone(), *count as usize))
            .collect(),
        starts_per_minute: settings
            .requests_per_minute
            .iter()
            .filter_map(|(name, count)| Some((name.clone(), (*count).try_into().ok()?)))
            .collect(),
        start_jitter: settings.start_jitter,
    };
    Ok(Makers::new(catalog(settings)?, setups, &bounds))
}

fn setup(
    settings: &Settings,
    said: &Said<'_>,
    simulator: Option<&Simulator>,
    address: SocketAddr,
) -> Result<Setup, Error> {
    let is_real = said.base_url.is_some() || said.key.is_some();
    let simulated = simulator.and_then(|simulator| simulator.media(said.name)).filter(|_| !is_real);
    let base_url = simulated.map(str::to_owned).or_else(|| said.base_url.cloned());
    let key = match simulated {
        Some(_) => Some(SecretString::from(SIMULATED_KEY)),
        None => said.key.cloned(),
    };
    let host = base_url.as_deref().and_then(private_host);
    let client = if host.is_some() { local_client()? } else { client()? };
    let webhook_secret = settings.replicate_webhook_secret.clone();
    let webhook_secret = webhook_secret.filter(|_| said.name == "replicate" && simulated.is_none());
    let place = Place { base_url, key, webhook_secret };
    let service = registry::connect(said.name, client, place).expect("it is in the registry");
    Ok(Setup {
        name: said.name.to_owned(),
        service,
        simulated: simulated.is_some(),
        // A simulator that runs by itself is as fast as the settings say, too.
        speed: if host.is_some() { settings.simulator_speed } else { 1.0 },
        trusted_host: host,
        callback_base: callback_base(settings, simulated.is_some(), address),
    })
}

/// Where a provider calls back, once clients reach this server by an address that is known. The
/// simulator is on this machine, and takes the shortest way; over TLS there is none, and it is polled.
fn callback_base(settings: &Settings, simulated: bool, address: SocketAddr) -> Option<String> {
    let public = settings.public_url.as_ref()?;
    if !simulated {
        return Some(public.trim_end_matches('/').to_owned());
    }
    if settings.tls_cert.is_some() {
        // The certificate is for the public name: what runs here would not believe it.
        return None;
    }
    let ip =
        if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    Some(format!("http://{}", SocketAddr::new(ip, address.port())))
}

/// The host of an address on this machine or in a private network.
fn private_host(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let is_private = host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| match address {
            IpAddr::V4(address) => address.is_loopback() || address.is_private(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
        });
    is_private.then_some(host)
}

/// The catalog that comes with the server, as the operator's file and settings change it.
pub(super) fn catalog(settings: &Settings) -> Result<Catalog, Error> {
    let catalog = match &settings.catalog {
        None => Catalog::builtin(),
        Some(path) => {
            let failed = |message: String| Error::Catalog { path: path.clone(), message };
            let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
            Catalog::with_file(&text).map_err(|error| failed(error.to_string()))?
        }
    };
    let is_provider = |name: &&String| catalog.provider(name).is_some();
    if let Some(name) = settings.requests_per_minute.keys().find(|name| !is_provider(name)) {
        let allowed = "a provider: requests are limited for all of its models together";
        return Err(Error::UnknownName {
            setting: "requests_per_minute",
            name: name.clone(),
            allowed,
        });
    }
    let is_known = |name: &&String| is_provider(name) || catalog.get(name).is_some();
    if let Some(name) = settings.concurrency.keys().find(|name| !is_known(name)) {
        let allowed = "a provider or the slug of a model of the catalog";
        return Err(Error::UnknownName { setting: "concurrency", name: name.clone(), allowed });
    }
    Ok(catalog.with_concurrency(&settings.concurrency))
}
