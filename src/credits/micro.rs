//! Amounts as people write them, and as they are counted.

use std::fmt;
use std::str::FromStr;

/// How many micro-credits one credit has.
const PER_CREDIT: u64 = 1_000_000;

/// How many decimals that are.
const DECIMALS: usize = 6;

/// How many decimals are written at least, as prices have them.
const LEAST_DECIMALS: usize = 2;

/// An amount of micro-credits. Its text is credits with a point, exactly: `0.20` is 200,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micro(i64);

/// A text that is no amount of credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not a number with a point.
    #[error("must be credits such as '25' or '0.20', without sign, spaces or exponent")]
    NotDecimal,
    /// It is finer than can be counted.
    #[error("has more than 6 decimals; the smallest amount is 0.000001 credits")]
    TooFine,
    /// It is more than can be counted.
    #[error("is more than 9223372036854.775807 credits")]
    TooMuch,
}

impl Micro {
    /// This many micro-credits.
    #[must_use]
    pub const fn new(micro: i64) -> Self {
        Self(micro)
    }

    /// This many whole credits.
    #[must_use]
    pub const fn of_credits(credits: u32) -> Self {
        Self(credits as i64 * PER_CREDIT.cast_signed())
    }

    /// The number of micro-credits.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Micro {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) =
            (self.0.unsigned_abs() / PER_CREDIT, self.0.unsigned_abs() % PER_CREDIT);
        let decimals = format!("{rest:0DECIMALS$}");
        let shown = decimals.trim_end_matches('0').len().max(LEAST_DECIMALS);
        write!(formatter, "{sign}{whole}.{}", &decimals[..shown])
    }
}

impl FromStr for Micro {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        if !is_digits(whole) || !is_digits(decimals) {
            return Err(ParseError::NotDecimal);
        }
        let decimals = decimals.trim_end_matches('0');
        if decimals.len() > DECIMALS {
            return Err(ParseError::TooFine);
        }
        // Digits without a point are the number of micro-credits.
        let micro = format!("{whole}{decimals:0<DECIMALS$}").parse();
        micro.map(Self).map_err(|_| ParseError::TooMuch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn credits_are_read_exactly() {
        for (text, micro) in [
            ("0", 0),
            ("0.20", 200_000),
            ("0.000001", 1),
            ("007.5", 7_500_000),
            ("1000", 1_000_000_000),
            ("1.2345670000", 1_234_567),
            ("9223372036854.775807", i64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Micro::new(micro)), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_told_why() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "0x1", "1.2.3", "٣"] {
            assert_eq!(text.parse::<Micro>(), Err(ParseError::NotDecimal), "{text}");
        }
        assert_eq!("0.0000001".parse::<Micro>(), Err(ParseError::TooFine));
        assert_eq!("9223372036854.775808".parse::<Micro>(), Err(ParseError::TooMuch));
        assert_eq!("9".repeat(400).parse::<Micro>(), Err(ParseError::TooMuch));
        assert!(ParseError::TooMuch.to_string().contains(&Micro::new(i64::MAX).to_string()));
    }

    #[test]
    fn credits_are_written_with_two_decimals_or_as_many_as_it_takes() {
        for (micro, text) in [
            (0, "0.00"),
            (200_000, "0.20"),
            (1_234_567, "1.234567"),
            (-50_000, "-0.05"),
            (1_000_000_000, "1000.00"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(Micro::new(micro).to_string(), text);
        }
        assert_eq!(Micro::of_credits(1000).to_string(), "1000.00");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micro in 0..=i64::MAX) {
            let amount = Micro::new(micro);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }

        #[test]
        fn no_text_is_less_than_nothing(text in "[0-9.]{0,24}|\\PC{0,12}") {
            prop_assert!(text.parse::<Micro>().unwrap_or_default().get() >= 0);
        }
    }
}
