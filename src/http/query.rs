//! Reading query strings, with errors that name the parameter.

use std::str::FromStr;

use super::problem::quoted;
use super::{Code, Problem, guard};

/// A query string, split and decoded.
#[derive(Debug, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query string; refuses parameters that the route does not have, since a misspelt one
    /// would otherwise do nothing, silently.
    ///
    /// # Errors
    /// [`Code::InvalidParameter`].
    pub fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let Self { pairs } = Self::of_stream(query);
        // A ticket may stand in the query of every route.
        let is_known = |name: &str| known.contains(&name) || name == guard::TICKET;
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !is_known(name)) {
            let (name, known) = (quoted(name), known.join(", "));
            let detail = format!("unknown query parameter {name}; this route has {known}");
            return Err(Problem::new(Code::InvalidParameter, detail));
        }
        Ok(Self { pairs })
    }

    /// Reads the query string of a stream, where parameters that we do not know are passed over:
    /// a native `EventSource` never comes back after an error, and caches, proxies and newer pages
    /// add parameters of their own.
    #[must_use]
    pub fn of_stream(query: Option<&str>) -> Self {
        let decoded = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self { pairs: decoded.into_owned().collect() }
    }

    /// The last value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    /// Every value of a parameter.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter read as something, or nothing when it is absent or empty.
    ///
    /// # Errors
    /// [`Code::InvalidParameter`] with the value and what is allowed.
    pub fn read<T: FromStr>(&self, name: &str, allowed: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| invalid(name, text, allowed))
    }

    /// A whole number in a range, or the default.
    ///
    /// # Errors
    /// [`Code::InvalidParameter`].
    pub fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, Problem> {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let number = self.read::<u64>(name, &allowed)?.unwrap_or(default);
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(invalid(name, &number.to_string(), &allowed))
        }
    }

    /// `true` or `false`, or false when absent.
    ///
    /// # Errors
    /// [`Code::InvalidParameter`].
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.read::<bool>(name, "'true' or 'false'")?.unwrap_or(false))
    }
}

fn invalid(name: &str, value: &str, allowed: &str) -> Problem {
    let value = quoted(value);
    let detail = format!("query parameter '{name}' must be {allowed}, not {value}");
    Problem::new(Code::InvalidParameter, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_parameter_is_told() {
        assert!(Query::parse(Some("affter=1"), &["after"]).is_err());
    }

    #[test]
    fn values_are_decoded_and_repeatable() {
        let query = Query::parse(Some("job=a%5Fb&job=c"), &["job"]).unwrap();
        assert_eq!(query.all("job").collect::<Vec<_>>(), ["a_b", "c"]);
    }

    #[test]
    fn a_number_outside_of_its_range_is_told() {
        let query = Query::parse(Some("limit=0"), &["limit"]).unwrap();
        assert!(query.number("limit", 1..=10, 5).is_err());
        assert_eq!(Query::default().number("limit", 1..=10, 5).unwrap(), 5);
    }
}
