//! A row of the catalog.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::job::Kind;
use crate::job::input::FieldError;

use super::check::{self, Checked};
use super::cost::Pricing;
use super::error::CatalogError;
use super::input::Input;
use super::place::OutputPath;

/// A model, as one way of using it.
#[derive(Clone, Debug)]
pub struct Model {
    /// What we call it, in routes and in jobs. Slugs are never changed.
    pub slug: String,
    /// What people call it.
    pub title: String,
    /// Who makes it, by the provider's name: `replicate`, `fal`, `runway`, `minimax` or `bfl`.
    pub provider: String,
    /// The provider's own name for it; see [`Model::upstream_for`].
    pub upstream: String,
    /// Which of the provider's routes makes it; empty where it has one.
    pub endpoint: String,
    /// What it makes from what; the first is the usual one.
    pub modes: Vec<Mode>,
    /// What it takes.
    pub inputs: Vec<Input>,
    /// Inputs of which one is needed.
    pub groups: Vec<Group>,
    /// Where its files are in the provider's answer.
    pub output: OutputPath,
    /// The media type of what it makes, unless the bytes tell otherwise.
    pub media_type: String,
    /// What it costs.
    pub pricing: Pricing,
    /// How long a job may take at the provider before it is given up.
    pub time_limit: Duration,
    /// How often to look.
    pub polling: Polling,
    /// How many of its jobs run at once, where it does not share its provider's permits.
    pub concurrency: Option<u32>,
    /// Whether the provider's name for it and the names of its inputs were read at the provider.
    pub confirmed: bool,
    /// What is worth knowing: what is not confirmed, what else comes back.
    pub notes: Option<String>,
    /// Whether it comes to its end, or has.
    pub retired: Option<Retired>,
    /// Other names for it upstream, for some inputs.
    pub variants: Vec<Variant>,
    /// Other names that clients use for it.
    pub aliases: Vec<String>,
    /// Names of fields that are accepted and dropped: other products' own.
    pub ignored: Vec<String>,
    /// The smallest input that it takes, to start from.
    pub example: Map<String, Value>,
    /// Its own submit route, where that does not follow from provider and slug.
    pub(super) own_route: Option<String>,
}

/// Inputs of which one is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Their names.
    pub names: Vec<String>,
    /// Whether a second one is too many.
    pub exactly_one: bool,
}

/// Another name upstream, taken when an input is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The input.
    pub when: String,
    /// The provider's name for the model then.
    pub upstream: String,
    /// Inputs that the model does not know then, and that mean nothing beside it: they are dropped.
    pub without: Vec<String>,
}

/// The end of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Since when, an ISO 8601 date.
    pub since: Option<String>,
    /// The slug of the model to use instead.
    pub successor: Option<String>,
    /// Why.
    pub reason: String,
    /// Whether it is refused; else it still runs, and says that it should not be relied on.
    pub refused: bool,
}

/// How often to ask a provider about a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    /// The wait before the first look.
    pub first: Duration,
    /// What no wait exceeds.
    pub ceiling: Duration,
    /// How much is added for every place in the provider's queue, below the ceiling.
    pub per_position: Duration,
}

/// What holds for all models of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its name in rows, settings and addresses.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// How often to look, unless a row says otherwise.
    pub polling: Polling,
    /// How long a job may take, unless a row says otherwise.
    pub time_limit: Duration,
    /// How many jobs may be started in a minute; no limit when absent.
    pub requests_per_minute: Option<u32>,
    /// What is worth knowing about its limits.
    pub notes: Option<String>,
}

/// What a model makes, and from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A video from a text.
    TextToVideo,
    /// A video that starts with an image.
    ImageToVideo,
    /// A video between two images.
    FirstLastFrameToVideo,
    /// A video with what is seen in images.
    ReferenceToVideo,
    /// A video with the person of an image.
    SubjectToVideo,
    /// A video from a video.
    VideoToVideo,
    /// Another version of a video that the same model made.
    VideoRemix,
    /// A video with its person replaced.
    CharacterReplace,
    /// A video in which the person of an image moves as in another video.
    CharacterAnimation,
    /// A video in which a character acts as in another video.
    CharacterPerformance,
    /// A video whose lips follow a sound.
    VideoLipSync,
    /// A video of an image's person, speaking or singing a sound.
    ImageAudioLipSync,
    /// An image from a text.
    TextToImage,
    /// An image from images.
    ImageToImage,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 14] = [
        Self::TextToVideo,
        Self::ImageToVideo,
        Self::FirstLastFrameToVideo,
        Self::ReferenceToVideo,
        Self::SubjectToVideo,
        Self::VideoToVideo,
        Self::VideoRemix,
        Self::CharacterReplace,
        Self::CharacterAnimation,
        Self::CharacterPerformance,
        Self::VideoLipSync,
        Self::ImageAudioLipSync,
        Self::TextToImage,
        Self::ImageToImage,
    ];

    /// The word on the wire and in the catalog's file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TextToVideo => "text-to-video",
            Self::ImageToVideo => "image-to-video",
            Self::FirstLastFrameToVideo => "first-last-frame-to-video",
            Self::ReferenceToVideo => "reference-to-video",
            Self::SubjectToVideo => "subject-to-video",
            Self::VideoToVideo => "video-to-video",
            Self::VideoRemix => "video-remix",
            Self::CharacterReplace => "character-replace",
            Self::CharacterAnimation => "character-animation",
            Self::CharacterPerformance => "character-performance",
            Self::VideoLipSync => "video-lip-sync",
            Self::ImageAudioLipSync => "image-audio-lip-sync",
            Self::TextToImage => "text-to-image",
            Self::ImageToImage => "image-to-image",
        }
    }

    /// The mode of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word)
    }

    /// What kind of job makes it.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::TextToVideo
            | Self::ImageToVideo
            | Self::FirstLastFrameToVideo
            | Self::ReferenceToVideo
            | Self::SubjectToVideo
            | Self::VideoToVideo
            | Self::VideoRemix
            | Self::CharacterReplace
            | Self::CharacterAnimation
            | Self::CharacterPerformance => Kind::Video,
            Self::VideoLipSync | Self::ImageAudioLipSync => Kind::Lipsync,
            Self::TextToImage | Self::ImageToImage => Kind::Image,
        }
    }
}

impl Model {
    /// What it usually makes, and from what.
    #[must_use]
    pub fn mode(&self) -> Mode {
        *self.modes.first().expect("a row without a mode is refused when it is read")
    }

    /// What kind of job runs it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.mode().kind()
    }

    /// The line in which its jobs wait: its own where it has permits of its own, else its
    /// provider's.
    #[must_use]
    pub fn lane(&self) -> &str {
        if self.concurrency.is_some() { &self.slug } else { &self.provider }
    }

    /// The address that takes its jobs.
    #[must_use]
    pub fn route(&self) -> String {
        if let Some(route) = &self.own_route {
            return route.clone();
        }
        match (self.provider.as_str(), self.endpoint.as_str()) {
            ("runway", "character_performance") => "/api/runway/character-performance".into(),
            ("runway" | "minimax", _) => format!("/api/{}/video", self.provider),
            ("bfl", _) => "/api/images/generate".into(),
            (provider, _) => format!("/api/{provider}/{}/submit", self.slug),
        }
    }

    /// The provider's name for the model that makes this input, in its normal form.
    #[must_use]
    pub fn upstream_for(&self, input: &Map<String, Value>) -> &str {
        self.variant(input).map_or(&self.upstream, |variant| &variant.upstream)
    }

    pub(super) fn variant(&self, input: &Map<String, Value>) -> Option<&Variant> {
        self.variants.iter().find(|variant| input.contains_key(&variant.when))
    }

    /// Checks an input and gives it back as the provider wants it. Defaults are not filled in:
    /// what is not given is the provider's to choose.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn check(&self, input: &Map<String, Value>) -> Result<Checked, Vec<FieldError>> {
        check::check(self, input)
    }

    /// The most that a job with this input can cost, in micro-credits: what is held for it.
    ///
    /// The input is one in its normal form ([`Checked::input`]).
    #[must_use]
    pub fn estimate(&self, input: &Map<String, Value>) -> i64 {
        self.pricing.estimate(input)
    }

    /// What a job with this input cost, in micro-credits, once its output has this length in
    /// milliseconds: never more than the estimate, and the estimate where the length is not known
    /// or does not matter.
    #[must_use]
    pub fn cost(&self, input: &Map<String, Value>, output_ms: Option<u64>) -> i64 {
        self.pricing.cost(input, output_ms)
    }

    /// What there is to say about the end of the model, as a sentence without a full stop; none
    /// while it has none.
    #[must_use]
    pub fn farewell(&self) -> Option<String> {
        let retired = self.retired.as_ref()?;
        let word = if retired.refused { "is retired" } else { "is deprecated" };
        let since = retired.since.as_ref().map(|date| format!(" since {date}")).unwrap_or_default();
        let instead = retired.successor.as_ref().map(|slug| format!("; use '{slug}' instead"));
        let (slug, reason) = (&self.slug, &retired.reason);
        Some(format!("the model '{slug}' {word}{since}: {reason}{}", instead.unwrap_or_default()))
    }

    /// Whether jobs of it are refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.retired.as_ref().is_some_and(|retired| retired.refused)
    }

    /// An input by its own name.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<&Input> {
        self.inputs.iter().find(|input| input.name == name)
    }

    /// What it is called beside its slug: aliases and upstream ids.
    pub(super) fn other_names(&self) -> impl Iterator<Item = &str> {
        let variants = self.variants.iter().map(|variant| variant.upstream.as_str());
        let aliases = self.aliases.iter().map(String::as_str);
        aliases.chain([self.upstream.as_str()]).chain(variants)
    }

    pub(super) fn wrong(
        &self,
        key: &'static str,
        value: &str,
        allowed: impl Into<String>,
    ) -> CatalogError {
        CatalogError::Value {
            place: format!("model '{}'", self.slug),
            key: key.to_owned(),
            value: format!("'{value}'"),
            allowed: allowed.into(),
        }
    }
}
