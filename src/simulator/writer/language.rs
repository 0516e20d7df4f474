//! Which language a post is asked for in, and which one it gets.

/// A language that there is a book for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edition {
    English,
    German,
    French,
    Spanish,
}

/// What they are called: by tag, by their own name, and in English.
const NAMES: [(Edition, [&str; 4]); 4] = [
    (Edition::English, ["en", "eng", "english", "englisch"]),
    (Edition::German, ["de", "deu", "german", "deutsch"]),
    (Edition::French, ["fr", "fra", "french", "français"]),
    (Edition::Spanish, ["es", "spa", "spanish", "español"]),
];

/// The language of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Language {
    /// There is a book for it.
    Known(Edition),
    /// There is none, so the post is in English and says so.
    Unknown(String),
}

impl Language {
    /// Reads a tag (`de`, `de-AT`) or a name (`German`); nothing means English.
    pub(super) fn parse(text: &str) -> Self {
        let lower = text.trim().to_lowercase();
        let language = lower.split(['-', '_', ' ']).next().unwrap_or_default();
        if language.is_empty() {
            return Self::Known(Edition::English);
        }
        let known = NAMES.iter().find(|(_, names)| names.contains(&language));
        known.map_or_else(
            || Self::Unknown(text.trim().chars().take(35).collect()),
            |(edition, _)| Self::Known(*edition),
        )
    }

    /// The book to write from.
    pub(super) fn edition(&self) -> Edition {
        match self {
            Self::Known(edition) => *edition,
            Self::Unknown(_) => Edition::English,
        }
    }

    /// The language that was asked for and cannot be written.
    pub(super) fn missing(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(name) => Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag_or_a_name() {
        for (text, edition) in [
            ("", Edition::English),
            ("en-GB", Edition::English),
            ("Deutsch", Edition::German),
            ("fr_CA", Edition::French),
            ("Spanish", Edition::Spanish),
        ] {
            assert_eq!(Language::parse(text), Language::Known(edition), "{text}");
        }
        assert_eq!(Language::parse("ja").missing(), Some("ja"));
    }
}
