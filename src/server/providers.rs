//! Which services write and speak: real ones, or the simulator.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::http::{Info, VoiceInfo};
use crate::provider::chat::{self, Chat};
use crate::provider::speech::{self, Speech};
use crate::provider::{client, local_client};
use crate::simulator::{self, Simulator, Voice};

use crate::worker::Makers;

use super::{Error, makers};

/// Where a provider is when nothing says otherwise.
const OPENAI: &str = "https://api.openai.com/v1";

/// The voices of `OpenAI`'s speech models, which the simulator knows too.
/// <https://platform.openai.com/docs/api-reference/audio/createSpeech>
const VOICES: [&str; 13] = [
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse",
    "marin", "cedar",
];

/// The services that workers use.
pub(super) struct Providers {
    pub(super) chat: Chat,
    pub(super) speech: Speech,
    pub(super) makers: Makers,
    /// The ones that are simulated.
    pub(super) simulated: Vec<String>,
    simulators: BTreeMap<String, String>,
    voice: Option<Voice>,
}

/// Where a provider is, and whether that is the simulator.
struct Place {
    base_url: String,
    key: Option<SecretString>,
    simulated: bool,
}

impl Providers {
    /// Sets up the clients; starts the simulator if a provider has neither key nor base URL.
    pub(super) async fn connect(
        settings: &Settings,
        address: SocketAddr,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let urls = [&settings.chat_base_url, &settings.speech_base_url];
        let needs_simulator = |url: &Option<String>| {
            settings.simulator && url.is_none() && settings.openai_api_key.is_none()
        };
        let media = settings.simulator && makers::need_simulator(settings);
        let simulator = if media || urls.into_iter().any(needs_simulator) {
            let options = simulator::Options { speed: settings.simulator_speed };
            Some(simulator::start(options, stop).await.map_err(Error::Simulator)?)
        } else {
            None
        };
        let place = |url: &Option<String>| place(settings, url.as_deref(), simulator.as_ref());
        let (chat, speech) = (place(&settings.chat_base_url), place(&settings.speech_base_url));
        let names = [("chat", &chat), ("speech", &speech)];
        let makers = makers::connect(settings, simulator.as_ref(), address)?;
        let mut simulated: Vec<_> = names
            .iter()
            .filter(|(_, place)| place.simulated)
            .map(|(name, _)| (*name).to_owned())
            .collect();
        let base = |name: String| {
            let base = simulator.as_ref()?.media(&name)?.to_owned();
            Some((name, base))
        };
        let simulators = makers.simulated().into_iter().filter_map(base).collect();
        simulated.extend(makers.simulated());
        let voice = simulator
            .as_ref()
            .filter(|_| speech.simulated)
            .map(|simulator| simulator.voice().clone());
        let http = |place: &Place| if place.simulated { local_client() } else { client() };
        Ok(Self {
            chat: Chat::new(http(&chat)?, chat_options(settings, chat)),
            speech: Speech::new(http(&speech)?, speech_options(settings, speech)),
            makers,
            simulated,
            simulators,
            voice,
        })
    }

    /// A sentence about the voice, where it is ours.
    pub(super) fn voice_note(&self) -> Option<String> {
        self.voice.as_ref().map(Voice::describe)
    }

    /// What a page should tell.
    pub(super) fn info(&self) -> Info {
        let kind = match &self.voice {
            Some(Voice::Bundled(_)) => "bundled",
            Some(Voice::System(_)) => "system",
            Some(Voice::Tone) => "tone",
            None => "provider",
        };
        let note = self.voice_note().unwrap_or_else(|| "the provider's own voices".into());
        Info {
            version: env!("CARGO_PKG_VERSION"),
            simulated: self.simulated.clone(),
            simulators: self.simulators.clone(),
            voice: VoiceInfo { kind, note },
            voices: VOICES.map(str::to_owned).into(),
        }
    }
}

fn place(settings: &Settings, url: Option<&str>, simulator: Option<&Simulator>) -> Place {
    let key = settings.openai_api_key.clone();
    match (url, simulator) {
        (Some(url), _) => Place { base_url: url.to_owned(), key, simulated: false },
        (None, Some(simulator)) if key.is_none() => {
            Place { base_url: simulator.base_url().to_owned(), key: None, simulated: true }
        }
        (None, _) => Place { base_url: OPENAI.to_owned(), key, simulated: false },
    }
}

fn chat_options(settings: &Settings, place: Place) -> chat::Options {
    chat::Options {
        base_url: place.base_url,
        api_key: place.key,
        model: settings.chat_model.clone(),
        idle_timeout: settings.chat_idle_timeout,
    }
}

fn speech_options(settings: &Settings, place: Place) -> speech::Options {
    speech::Options {
        base_url: place.base_url,
        api_key: place.key,
        model: settings.speech_model.clone(),
        voice: settings.speech_voice.clone(),
        send_language: place.simulated,
        ..speech::Options::default()
    }
}
