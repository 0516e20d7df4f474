//! What free text says, where a provider has no code for it.
//!
//! Wordings are as seen in the wild: Runway and fal refuse for want of credits with a status that
//! means something else, and hosted models describe a refusal of content each in its own words.

use super::error::Error;

/// Phrases that mean that the content was held back. `safety` or `moderation` alone would also meet
/// the names of inputs (`safety_tolerance`, `contentModeration`).
const HELD_BACK: [&str; 14] = [
    "nsfw",
    "flagged",
    "e005",
    "sensitive",
    "content policy",
    "content_policy",
    "content moderat",
    "been moderated",
    "was moderated",
    "moderation filter",
    "safety filter",
    "safety system",
    "safety check",
    "prohibited content",
];

/// Phrases that mean that no balance or quota is left.
const NO_FUNDS: [&str; 8] = [
    "exhausted balance",
    "not enough credits",
    "not have enough credits",
    "insufficient credit",
    "insufficient balance",
    "daily task limit",
    "daily limit",
    "daily generation limit",
];

/// Whether the text says that the content was held back.
pub(super) fn held_back(text: &str) -> bool {
    let text =
        text.to_ascii_lowercase().replace("case-sensitive", "").replace("case sensitive", "");
    HELD_BACK.iter().any(|phrase| text.contains(phrase))
}

/// Whether the text says that no balance or quota is left.
fn no_funds(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    NO_FUNDS.iter().any(|phrase| text.contains(phrase))
}

/// Sorts an error again by its words, where a status says less than they do.
pub(super) fn resort(error: Error) -> Error {
    match error {
        Error::RefusedInput { message } if no_funds(&message) => Error::OutOfFunds { message },
        Error::RefusedInput { message } if held_back(&message) => Error::Moderated { message },
        Error::Unauthorised { message } | Error::RateLimited { message, .. }
            if no_funds(&message) =>
        {
            Error::OutOfFunds { message }
        }
        Error::RefusedInput { .. }
        | Error::Moderated { .. }
        | Error::OutOfFunds { .. }
        | Error::Unauthorised { .. }
        | Error::RateLimited { .. }
        | Error::Busy { .. }
        | Error::Broken { .. }
        | Error::Truncated { .. }
        | Error::Timeout { .. }
        | Error::Transport { .. }
        | Error::AmbiguousStart { .. }
        | Error::Expired { .. }
        | Error::Protocol { .. } => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_content_is_known_by_its_words_and_an_input_by_its_name_is_not_one() {
        for text in [
            "The input or output was flagged as sensitive. (E005)",
            "NSFW content detected",
            "Your request was blocked by the safety system",
        ] {
            assert!(held_back(text), "{text}");
        }
        for text in [
            "safety_tolerance must be at most 6",
            "contentModeration.publicFigureThreshold is unknown",
            "model names are case-sensitive",
        ] {
            assert!(!held_back(text), "{text}");
        }
    }

    #[test]
    fn words_about_money_outweigh_the_status() {
        let message = || "You do not have enough credits to run this task.".to_owned();
        let sorted = resort(Error::RefusedInput { message: message() });
        assert_eq!(sorted, Error::OutOfFunds { message: message() });
        let message = || "User is locked. Reason: Exhausted balance.".to_owned();
        let sorted = resort(Error::Unauthorised { message: message() });
        assert_eq!(sorted, Error::OutOfFunds { message: message() });
        let plain = Error::Unauthorised { message: "no such key".to_owned() };
        assert_eq!(resort(plain.clone()), plain);
    }
}
