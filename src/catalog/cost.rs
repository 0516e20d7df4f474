//! What a job costs, in whole micro-credits: no fraction is ever rounded twice.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// One credit.
pub const CREDIT: i64 = 1_000_000;

/// The highest price in the catalog, in micro-credits: more is a slip of the pen.
const HIGHEST: i64 = 10_000 * CREDIT;

/// The list price of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pricing {
    /// What is counted.
    #[serde(flatten)]
    pub unit: Unit,
    /// The price of one of it.
    #[serde(flatten)]
    pub price: Price,
}

/// What a price is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "per", rename_all = "lowercase")]
pub enum Unit {
    /// A job, however long its output.
    Job,
    /// A second of output.
    Second {
        /// How many seconds a job is taken to make before it has.
        seconds: Seconds,
    },
}

/// How long the output of a job is taken to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seconds {
    /// No input tells: never longer than this, as far as the price goes.
    AtMost(u32),
    /// An input tells.
    Input {
        /// Its name.
        name: String,
        /// What it is when it is not given.
        otherwise: u32,
    },
}

/// A price, or several by the value of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Price {
    /// The same for all.
    Credits(Credits),
    /// By an input.
    By {
        /// Its name.
        input: String,
        /// What it is when it is not given.
        otherwise: String,
        /// The price for each of its values.
        #[serde(serialize_with = "as_table")]
        credits: Vec<(String, Credits)>,
    },
}

/// An amount in micro-credits, shown in credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credits(i64);

impl Credits {
    /// Reads an amount in credits, such as `0.20`: digits, with at most six behind the point.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 6 {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        let part: i64 = format!("{part:0<6}").parse().ok()?;
        let micro = whole.checked_mul(CREDIT)?.checked_add(part)?;
        (micro <= HIGHEST).then_some(Self(micro))
    }

    /// The amount in micro-credits.
    #[must_use]
    pub const fn micro(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:06}", self.0 % CREDIT);
        let part = part.trim_end_matches('0');
        write!(formatter, "{}.{part:0<2}", self.0 / CREDIT)
    }
}

impl Serialize for Credits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn as_table<S: serde::Serializer>(
    credits: &[(String, Credits)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(credits.iter().map(|(name, credits)| (name, credits)))
}

impl Pricing {
    /// See [`Model::estimate`](super::Model::estimate).
    pub(super) fn estimate(&self, input: &Map<String, Value>) -> i64 {
        let price = self.price.of(input);
        match &self.unit {
            Unit::Job => price,
            Unit::Second { seconds } => price.saturating_mul(i64::from(seconds.of(input))),
        }
    }

    /// See [`Model::cost`](super::Model::cost).
    pub(super) fn cost(&self, input: &Map<String, Value>, output_ms: Option<u64>) -> i64 {
        let most = self.estimate(input);
        match (&self.unit, output_ms) {
            (Unit::Second { .. }, Some(length_ms)) => {
                // Rounded up, so that no output is free by being short.
                let micro = i128::from(self.price.of(input)) * i128::from(length_ms);
                i64::try_from(micro.div_euclid(1_000) + i128::from(micro % 1_000 != 0))
                    .map_or(most, |cost| cost.min(most))
            }
            (Unit::Second { .. }, None) | (Unit::Job, _) => most,
        }
    }
}

impl Price {
    fn of(&self, given: &Map<String, Value>) -> i64 {
        match self {
            Self::Credits(credits) => credits.micro(),
            Self::By { input, otherwise, credits } => {
                let value = given.get(input).map_or_else(|| otherwise.clone(), key);
                let listed = credits.iter().find(|(name, _)| *name == value);
                let highest = || credits.iter().map(|(_, credits)| credits.micro()).max();
                listed.map_or_else(|| highest().unwrap_or(0), |(_, credits)| credits.micro())
            }
        }
    }
}

/// A value as a table of prices names it.
pub(super) fn key(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Seconds {
    fn of(&self, input: &Map<String, Value>) -> u32 {
        match self {
            Self::AtMost(seconds) => *seconds,
            Self::Input { name, otherwise } => {
                input.get(name).and_then(count).unwrap_or(*otherwise)
            }
        }
    }
}

/// The seconds in `8`, `"8"` or `"8s"`.
pub(super) fn count(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64()?.try_into().ok(),
        Value::String(text) => text.strip_suffix('s').unwrap_or(text).parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn credits(text: &str) -> Credits {
        Credits::parse(text).unwrap()
    }

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        }
    }

    fn by_resolution() -> Pricing {
        let seconds = Seconds::Input { name: "duration".into(), otherwise: 5 };
        let table = vec![("720p".into(), credits("0.10")), ("1080p".into(), credits("0.150001"))];
        let price =
            Price::By { input: "resolution".into(), otherwise: "720p".into(), credits: table };
        Pricing { unit: Unit::Second { seconds }, price }
    }

    #[test]
    fn amounts_are_read_and_shown_to_the_last_digit() {
        for (text, micro, shown) in [
            ("0.20", 200_000, "0.20"),
            ("3", 3_000_000, "3.00"),
            ("0.000001", 1, "0.000001"),
            ("12.345", 12_345_000, "12.345"),
            ("0", 0, "0.00"),
        ] {
            assert_eq!(credits(text).micro(), micro);
            assert_eq!(credits(text).to_string(), shown);
        }
        for text in ["", ".5", "5.", "-1", "1e3", "0.1234567", "1,5", "10001", "99999999999999999"]
        {
            assert_eq!(Credits::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_price_per_second_follows_what_is_asked_for() {
        let pricing = by_resolution();
        assert_eq!(pricing.estimate(&map(json!({}))), 500_000);
        assert_eq!(pricing.estimate(&map(json!({"duration": 8}))), 800_000);
        assert_eq!(pricing.estimate(&map(json!({"duration": "8s"}))), 800_000);
        let dear = map(json!({"duration": 10, "resolution": "1080p"}));
        assert_eq!(pricing.estimate(&dear), 1_500_010);
        let unheard_of = map(json!({"resolution": "8k"}));
        assert_eq!(pricing.estimate(&unheard_of), 750_005, "the highest price is the bound");
    }

    #[test]
    fn the_true_cost_is_by_the_millisecond_and_never_above_the_estimate() {
        let pricing = by_resolution();
        let input = map(json!({"duration": 10, "resolution": "1080p"}));
        assert_eq!(pricing.cost(&input, Some(10_000)), 1_500_010);
        assert_eq!(pricing.cost(&input, Some(9_999)), 1_499_860, "0.150001 * 9.999, rounded up");
        assert_eq!(pricing.cost(&input, Some(1)), 151);
        assert_eq!(pricing.cost(&input, Some(0)), 0);
        assert_eq!(pricing.cost(&input, Some(10_042)), 1_500_010);
        assert_eq!(pricing.cost(&input, Some(u64::MAX)), 1_500_010);
        assert_eq!(pricing.cost(&input, None), 1_500_010);
    }

    #[test]
    fn a_price_per_job_does_not_look_at_the_length() {
        let pricing = Pricing { unit: Unit::Job, price: Price::Credits(credits("0.04")) };
        assert_eq!(pricing.cost(&Map::new(), Some(1)), 40_000);
        assert_eq!(pricing.estimate(&Map::new()), 40_000);
    }
}
