//! What goes wrong at a provider, sorted by what can be done about it.

use std::time::Duration;

/// The longest message of a provider that is kept, in Unicode scalar values.
const LONGEST_MESSAGE: usize = 300;

/// Whether a request that failed on the way may have reached the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// No byte of it left: repeating it cannot do anything twice.
    No,
    /// It may have arrived and may be worked on.
    Maybe,
}

/// Why a provider did not give what it was asked for.
///
/// A `message` holds the provider's own words where it sent any: at most 300 characters, on one
/// line, without control characters, and never with a key in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request is wrong as it stands: a bad field, a model that does not exist, a text too long.
    #[error("the provider refused the input: {message}")]
    RefusedInput {
        /// The provider's words, or ours when the request was not even sent.
        message: String,
    },
    /// The input or the output was held back by the provider's rules about content.
    #[error("the provider held the content back: {message}")]
    Moderated {
        /// The provider's words.
        message: String,
    },
    /// The account has no balance or no quota left. Waiting seconds does not help.
    #[error("the provider's account has no funds or quota left: {message}")]
    OutOfFunds {
        /// The provider's words.
        message: String,
    },
    /// The key is missing, wrong, or not allowed to do this.
    #[error("the provider did not accept the key: {message}")]
    Unauthorised {
        /// The provider's words.
        message: String,
    },
    /// We ask too often.
    #[error("the provider limits the rate of requests: {message}")]
    RateLimited {
        /// The provider's words.
        message: String,
        /// The earliest time for another try, as the provider said.
        retry_after: Option<Duration>,
    },
    /// The provider is overloaded, starting or down, and may soon be well.
    #[error("the provider is busy: {message}")]
    Busy {
        /// The provider's words.
        message: String,
        /// The earliest time for another try, as the provider said.
        retry_after: Option<Duration>,
    },
    /// The provider failed by its own fault.
    #[error("the provider failed: {message}")]
    Broken {
        /// The provider's words.
        message: String,
    },
    /// The answer began and was cut before its end.
    #[error("the provider's answer was cut: {message}")]
    Truncated {
        /// Where it was cut.
        message: String,
    },
    /// The provider was silent for too long.
    #[error("the provider was silent for {waited:?}")]
    Timeout {
        /// The limit that passed.
        waited: Duration,
    },
    /// The network failed before an answer began.
    #[error("the provider could not be reached: {message}")]
    Transport {
        /// What failed.
        message: String,
        /// Whether the request may have arrived.
        sent: Sent,
    },
    /// Whether the work was started is not known: asking again could do it, and bill it, twice.
    #[error("it is not known whether the provider started the work: {message}")]
    AmbiguousStart {
        /// What happened to the request.
        message: String,
    },
    /// What was made cannot be fetched any more at the address that was given for it.
    #[error("the provider's file has expired: {message}")]
    Expired {
        /// The host's words.
        message: String,
    },
    /// The answer is not what the protocol allows, so that asking again would give the same.
    #[error("the provider's answer is not understood: {message}")]
    Protocol {
        /// What came instead.
        message: String,
    },
}

impl Error {
    /// The name of the sort, for events, logs and clients. Names are never changed.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::RefusedInput { .. } => "refused_input",
            Self::Moderated { .. } => "moderated",
            Self::OutOfFunds { .. } => "out_of_funds",
            Self::Unauthorised { .. } => "unauthorised",
            Self::RateLimited { .. } => "rate_limited",
            Self::Busy { .. } => "busy",
            Self::Broken { .. } => "broken",
            Self::Truncated { .. } => "truncated",
            Self::Timeout { .. } => "timeout",
            Self::Transport { .. } => "transport",
            Self::AmbiguousStart { .. } => "ambiguous_start",
            Self::Expired { .. } => "expired",
            Self::Protocol { .. } => "protocol",
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    ///
    /// It says nothing about whether repeating is *safe*: that depends on what was done with the
    /// answer so far, which only the caller knows.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Busy { .. }
            | Self::Broken { .. }
            | Self::Truncated { .. }
            | Self::Timeout { .. }
            | Self::Transport { .. } => true,
            Self::RefusedInput { .. }
            | Self::Moderated { .. }
            | Self::OutOfFunds { .. }
            | Self::Unauthorised { .. }
            | Self::AmbiguousStart { .. }
            | Self::Expired { .. }
            | Self::Protocol { .. } => false,
        }
    }

    /// The words of it, without the name of its sort.
    pub(super) fn into_message(self) -> String {
        match self {
            Self::RefusedInput { message }
            | Self::Moderated { message }
            | Self::OutOfFunds { message }
            | Self::Unauthorised { message }
            | Self::RateLimited { message, .. }
            | Self::Busy { message, .. }
            | Self::Broken { message }
            | Self::Truncated { message }
            | Self::Transport { message, .. }
            | Self::AmbiguousStart { message }
            | Self::Expired { message }
            | Self::Protocol { message } => message,
            Self::Timeout { .. } => self.to_string(),
        }
    }

    /// The same error with what a header said of another try, where the error has no time yet.
    pub(super) fn not_before(mut self, wait: Option<Duration>) -> Self {
        if let Self::RateLimited { retry_after, .. } | Self::Busy { retry_after, .. } = &mut self {
            *retry_after = retry_after.or(wait);
        }
        self
    }

    /// The earliest time for another try, where the provider named one.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Busy { retry_after, .. } => *retry_after,
            Self::RefusedInput { .. }
            | Self::Moderated { .. }
            | Self::OutOfFunds { .. }
            | Self::Unauthorised { .. }
            | Self::Broken { .. }
            | Self::Truncated { .. }
            | Self::Timeout { .. }
            | Self::Transport { .. }
            | Self::AmbiguousStart { .. }
            | Self::Expired { .. }
            | Self::Protocol { .. } => None,
        }
    }
}

/// Makes somebody else's words fit to be shown: secrets blanked, one line, no control characters
/// and none that change the direction of text, at most 300 characters.
pub(super) fn tame(words: &str, secrets: &[&str]) -> String {
    // Before secrets are looked for: a mark within one would hide it until it is taken out.
    let words: String = words.chars().filter(|&character| !turns_text(character)).collect();
    // Secrets go before the rest: shortened before, a part of one could stay at the end.
    let blank = |words: String, secret: &&str| words.replace(*secret, "[key]");
    let words = secrets.iter().filter(|secret| !secret.is_empty()).fold(words, blank);
    let mut shown = words
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if let Some((end, _)) = shown.char_indices().nth(LONGEST_MESSAGE) {
        let cut = shown[..end].char_indices().next_back().map_or(0, |(at, _)| at);
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

/// The marks, embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX #9).
fn turns_text(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_bounded_line_without_control_characters() {
        assert_eq!(tame(" bad\r\n\x1b[31mthing\0\u{202e}! ", &[]), "bad [31mthing !");
        let long = tame(&"é".repeat(400), &[]);
        assert_eq!(long.chars().count(), LONGEST_MESSAGE);
        assert!(long.ends_with("é…"));
        assert_eq!(tame(&"é".repeat(300), &[]), "é".repeat(300));
    }

    #[test]
    fn a_key_is_never_in_the_words_not_even_half_of_it() {
        let key = "sk-1234567890";
        let words = format!("{} wrong key {key}", "x".repeat(285));
        let shown = tame(&words, &[key]);
        assert!(!shown.contains("sk-"), "{shown}");
        assert_eq!(tame("wrong key sk-1234567890.", &[key]), "wrong key [key].");
        assert_eq!(tame("wrong key sk-12345\u{200e}67890.", &[key]), "wrong key [key].");
    }

    #[test]
    fn only_what_may_heal_by_itself_is_retryable() {
        let message = String::new;
        let wait = Some(Duration::from_secs(3));
        let limited = Error::RateLimited { message: message(), retry_after: wait };
        assert!(limited.is_retryable());
        assert_eq!(limited.retry_after(), wait);
        assert_eq!(limited.code(), "rate_limited");
        let transport = Error::Transport { message: message(), sent: Sent::No };
        assert!(transport.is_retryable());
        for error in
            [Error::OutOfFunds { message: message() }, Error::Protocol { message: message() }]
        {
            assert!(!error.is_retryable());
            assert_eq!(error.retry_after(), None);
        }
    }
}
