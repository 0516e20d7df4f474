//! What a model takes.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// The longest text of an input that has no limit of its own, in Unicode scalar values.
pub const TEXT_LIMIT: usize = 20_000;

/// One input of a model, by the provider's own name for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// Its name, as the provider has it.
    pub name: String,
    /// What it holds.
    #[serde(flatten)]
    pub kind: InputType,
    /// Whether a job needs it.
    pub required: bool,
    /// What it means, in words, with units and with what the provider says beyond the fields here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub meaning: String,
    /// The only values that it may have; any, when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Value>,
    /// What the provider takes when the input is not given. It is not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What we send when the input is not given: for what a provider insists on and a client need
    /// not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_absent: Option<Value>,
    /// The smallest number.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plainly")]
    pub min: Option<f64>,
    /// The largest number.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plainly")]
    pub max: Option<f64>,
    /// What a whole number must be a multiple of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiple_of: Option<i64>,
    /// The shortest text, in Unicode scalar values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<usize>,
    /// The longest text, in Unicode scalar values; [`TEXT_LIMIT`] when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// The shortest list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_items: Option<usize>,
    /// The longest list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<usize>,
    /// Other names that clients use for it. Other spellings (`imageUrl` for `image_url`) go
    /// without saying.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Another input that must be given with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// The form around the value in which the provider wants it: the text `$` stands for the value.
    #[serde(skip)]
    pub wrap: Option<Value>,
}

/// A bound as people write it: `12`, not `12.0`.
#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn plainly<S: Serializer>(bound: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match bound {
        #[expect(clippy::cast_possible_truncation, reason = "a cast from a float saturates")]
        Some(number) if number.fract() == 0.0 => serializer.serialize_i64(*number as i64),
        Some(number) => serializer.serialize_f64(*number),
        None => serializer.serialize_none(),
    }
}

/// What an input holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "media", rename_all = "lowercase")]
pub enum InputType {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A file of one of these families: a URL, a data URL, or an upload of ours.
    Uri(Vec<Media>),
    /// Several texts.
    Texts,
    /// Several files of these families.
    Uris(Vec<Media>),
    /// An object that is the provider's own business.
    Object,
}

impl InputType {
    /// The words for it in the catalog's file.
    pub const WORDS: &'static [&'static str] =
        &["text", "integer", "number", "boolean", "uri", "texts", "uris", "object"];

    /// The type of this word; files are of these families.
    #[must_use]
    pub fn of(word: &str, media: Vec<Media>) -> Option<Self> {
        Some(match word {
            "text" => Self::Text,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "uri" => Self::Uri(media),
            "texts" => Self::Texts,
            "uris" => Self::Uris(media),
            "object" => Self::Object,
            _ => return None,
        })
    }

    /// The families of files that it takes; none where it is no file.
    #[must_use]
    pub fn media(&self) -> &[Media] {
        match self {
            Self::Uri(media) | Self::Uris(media) => media,
            Self::Text
            | Self::Integer
            | Self::Number
            | Self::Boolean
            | Self::Texts
            | Self::Object => &[],
        }
    }
}

/// A family of media types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// `image/…`
    Image,
    /// `video/…`
    Video,
    /// `audio/…`
    Audio,
}

impl Media {
    /// Every family.
    pub const ALL: [Self; 3] = [Self::Image, Self::Video, Self::Audio];

    /// The word on the wire: the first half of its media types.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }

    /// The family of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media| media.as_str() == word)
    }

    /// The family of a media type such as `image/png`; none for others.
    #[must_use]
    pub fn of_type(media_type: &str) -> Option<Self> {
        Self::of(&media_type.split('/').next()?.to_ascii_lowercase())
    }
}

impl Serialize for Media {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A name without what differs between ways of spelling it: `imageUrl`, `image_url` and `image-url`
/// are one name.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_lowercase()).collect()
}

impl Input {
    /// What it is when it is not given, where that is known.
    pub(super) fn usual(&self) -> Option<&Value> {
        self.when_absent.as_ref().or(self.default.as_ref())
    }

    /// Whether this is its name or another name for it, in whatever spelling.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let name = plain(name);
        plain(&self.name) == name || self.aliases.iter().any(|alias| plain(alias) == name)
    }
}
