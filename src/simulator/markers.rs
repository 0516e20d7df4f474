//! Words in square brackets that make the simulator misbehave as real providers do.
//!
//! A user types them into the topic, so every page and every test can ask for trouble by name.

/// One kind of trouble. Those after `SpeechFail` are for the media providers, which take `Slow`, `Fail`,
/// `RateLimit` and `Cut` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// Ten times slower; media, which take long anyway, five times.
    Slow,
    /// 500, every time. Media: the provider fails at the end of the work.
    Fail,
    /// 429 for the first two requests with the same body, then an answer. Media: the first poll too.
    RateLimit,
    /// The connection breaks in the middle of the answer. Media: before the answer to a start that was
    /// accepted, so that nobody can know of it.
    Cut,
    /// A well-formed answer with nothing in it.
    Empty,
    /// A third of the answer, then silence on an open connection.
    Stall,
    /// Chat: the text carries this marker on to the speech endpoint. Speech: the same as `Fail`.
    SpeechFail,
    /// The provider's moderation refuses it, in that provider's way.
    Moderated,
    /// As `RateLimit`, without `retry-after`.
    RateLimitBare,
    /// The account has no money left, or no generations for today.
    Quota,
    /// An error of the provider's for the first two starts and the first two polls.
    ServerError,
    /// The connection breaks before the answer to each of the first two polls.
    CutPoll,
    /// No callback ever comes.
    LostWebhook,
    /// A callback comes that is not the provider's and tells of a failure; the real one follows.
    ForgedWebhook,
    /// The callback comes twice.
    TwiceWebhook,
    /// The work never ends.
    Never,
    /// The output's first address has expired; asking again gives another.
    ExpiredUrl,
    /// The output's address has expired, and there is no other.
    GoneUrl,
    /// The provider ends the work half-way.
    Aborted,
}

const SPELLINGS: [(&str, Marker); 19] = [
    ("[slow]", Marker::Slow),
    ("[fail]", Marker::Fail),
    ("[429]", Marker::RateLimit),
    ("[cut]", Marker::Cut),
    ("[empty]", Marker::Empty),
    ("[stall]", Marker::Stall),
    ("[speech-fail]", Marker::SpeechFail),
    ("[moderated]", Marker::Moderated),
    ("[429-bare]", Marker::RateLimitBare),
    ("[quota]", Marker::Quota),
    ("[500]", Marker::ServerError),
    ("[cut-poll]", Marker::CutPoll),
    ("[lost-webhook]", Marker::LostWebhook),
    ("[forged-webhook]", Marker::ForgedWebhook),
    ("[twice-webhook]", Marker::TwiceWebhook),
    ("[never]", Marker::Never),
    ("[expired-url]", Marker::ExpiredUrl),
    ("[gone-url]", Marker::GoneUrl),
    ("[aborted]", Marker::Aborted),
];

/// The markers of one prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Markers(Vec<Marker>);

impl Markers {
    /// Finds markers anywhere in `text`, in upper or lower case.
    pub(super) fn find(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        let found = SPELLINGS.iter().filter(|(spelling, _)| lower.contains(spelling));
        Self(found.map(|(_, marker)| *marker).collect())
    }

    /// Whether the prompt asks for this trouble.
    pub(super) fn has(&self, marker: Marker) -> bool {
        self.0.contains(&marker)
    }
}

/// `text` without its markers and the spaces they leave behind.
pub(super) fn remove(text: &str) -> String {
    let mut text = text.to_owned();
    for (spelling, _) in SPELLINGS {
        // Lower case changes ASCII only, so the positions are the same in both.
        while let Some(at) = text.to_ascii_lowercase().find(spelling) {
            let mut end = at + spelling.len();
            if text[end..].starts_with(' ') && (at == 0 || text[..at].ends_with([' ', '\n'])) {
                end += 1;
            }
            text.replace_range(at..end, "");
        }
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_anywhere_in_any_case() {
        let markers = Markers::find("Topic: tea [CUT]\nTone: calm[429]");
        assert!(markers.has(Marker::Cut) && markers.has(Marker::RateLimit));
        assert!(!markers.has(Marker::Slow));
        assert_eq!(Markers::find("a [slow"), Markers::default());
    }

    #[test]
    fn removing_markers_leaves_no_trace() {
        assert_eq!(remove("[slow] Green tea [cut] in [Fail]Kyoto [429]"), "Green tea in Kyoto");
        assert_eq!(remove("été [cut]"), "été");
        assert_eq!(remove("[stall]"), "");
        assert_eq!(remove("an [ordinary] bracket"), "an [ordinary] bracket");
    }
}
