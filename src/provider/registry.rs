//! The makers of images, videos and sounds, by name.

use std::sync::Arc;

use reqwest::Client;

use super::bfl::Bfl;
use super::fal::Fal;
use super::media::{Place, Service};
use super::minimax::MiniMax;
use super::replicate::Replicate;
use super::runway::Runway;
use super::unset::Unset;

/// What is known of a provider before it is spoken to.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name in the catalog, in settings and in addresses; lower case, never changed.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Its public base URL, without a slash at the end.
    pub base_url: &'static str,
    /// The environment variable that its own tools read the key from.
    pub key_variable: &'static str,
    connect: fn(Client, &str, Place) -> Arc<dyn Service>,
}

/// Every provider.
pub const PROVIDERS: [Entry; 5] = [
    Entry {
        name: "replicate",
        title: "Replicate",
        base_url: "https://api.replicate.com/v1",
        key_variable: "REPLICATE_API_TOKEN",
        connect: |client, url, place| Arc::new(Replicate::new(client, url, place)),
    },
    Entry {
        name: "fal",
        title: "fal",
        base_url: "https://queue.fal.run",
        key_variable: "FAL_KEY",
        connect: |client, url, place| Arc::new(Fal::new(client, url, place)),
    },
    Entry {
        name: "runway",
        title: "Runway",
        base_url: "https://api.dev.runwayml.com",
        key_variable: "RUNWAYML_API_SECRET",
        connect: |client, url, place| Arc::new(Runway::new(client, url, place)),
    },
    Entry {
        name: "minimax",
        title: "MiniMax",
        base_url: "https://api.minimax.io",
        key_variable: "MINIMAX_API_KEY",
        connect: |client, url, place| Arc::new(MiniMax::new(client, url, place)),
    },
    Entry {
        name: "bfl",
        title: "Black Forest Labs",
        base_url: "https://api.bfl.ai",
        key_variable: "BFL_API_KEY",
        connect: |client, url, place| Arc::new(Bfl::new(client, url, place)),
    },
];

/// What is known of the provider with this name.
#[must_use]
pub fn entry(name: &str) -> Option<&'static Entry> {
    PROVIDERS.iter().find(|entry| entry.name == name)
}

/// A client of the provider with this name; `None` when there is none. `client` comes from
/// [`super::client`], or from [`super::local_client`] for a simulator. Without a key and without an
/// address nobody is asked anything: its jobs fail, and say what is missing.
#[must_use]
pub fn connect(name: &str, client: Client, place: Place) -> Option<Arc<dyn Service>> {
    let entry = entry(name)?;
    if place.key.is_none() && place.base_url.is_none() {
        return Some(Arc::new(Unset { key_variable: entry.key_variable }));
    }
    let base_url = place.base_url.clone().unwrap_or_else(|| entry.base_url.to_owned());
    Some((entry.connect)(client, &base_url, place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    #[test]
    fn each_provider_connects_and_shows_no_secret() {
        rustls::crypto::ring::default_provider().install_default().ok();
        for entry in PROVIDERS {
            let place = Place {
                base_url: None,
                key: Some(SecretString::from("sk-secret-1")),
                webhook_secret: Some(SecretString::from("whsec_secret2")),
            };
            let client = super::super::client().unwrap();
            let service = connect(entry.name, client, place).unwrap();
            let shown = format!("{service:?}");
            assert!(shown.contains(entry.base_url), "{shown}");
            assert!(!shown.contains("sk-secret-1") && !shown.contains("secret2"), "{shown}");
        }
        assert!(connect("openai", super::super::client().unwrap(), Place::default()).is_none());
    }
}
