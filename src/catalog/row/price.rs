//! The price of a row, read.

use toml::Value;

use crate::catalog::cost::{self, Credits, Price, Pricing, Seconds, Unit};
use crate::catalog::error::CatalogError;
use crate::catalog::fields::Fields;
use crate::catalog::input::Input;

/// `cost = { per_second = "0.10", seconds = "duration" }`, `cost = { per_job = "0.04" }`, or with
/// `by = "resolution"` and a table of prices.
pub(super) fn pricing(fields: &Fields<'_>, inputs: &[Input]) -> Result<Pricing, CatalogError> {
    let table = fields.table("cost")?;
    let table = table.ok_or_else(|| fields.wrong("cost", "a table with per_job or per_second"))?;
    let place = format!("{}, cost", fields.place);
    let fields = Fields::new(place, table, &["per_job", "per_second", "seconds", "by"])?;
    let (key, unit) = match (table.contains_key("per_job"), table.contains_key("per_second")) {
        (true, false) if table.contains_key("seconds") => {
            return Err(fields.wrong("seconds", "absent where the price is per_job"));
        }
        (true, false) => ("per_job", Unit::Job),
        (false, true) => ("per_second", Unit::Second { seconds: seconds(&fields, inputs)? }),
        (true, true) | (false, false) => {
            return Err(fields.wrong("per_job", "given, or per_second, but not both"));
        }
    };
    Ok(Pricing { unit, price: price(&fields, key, inputs)? })
}

fn seconds(fields: &Fields<'_>, inputs: &[Input]) -> Result<Seconds, CatalogError> {
    let allowed = "the name of an input with a default, or the most seconds that are charged";
    match fields.table.get("seconds") {
        Some(Value::Integer(_)) => Ok(fields.count("seconds")?.map(Seconds::AtMost)),
        Some(Value::String(name)) => {
            let input = inputs.iter().find(|input| input.name == *name);
            Ok(input.and_then(|input| {
                let usual = input.usual().or(input.allowed.last());
                let largest = || input.max.and_then(|max| cost::count(&format!("{max}").into()));
                let otherwise = usual.and_then(cost::count).or_else(largest)?;
                Some(Seconds::Input { name: name.clone(), otherwise })
            }))
        }
        _ => Ok(None),
    }?
    .ok_or_else(|| fields.wrong("seconds", allowed))
}

fn price(fields: &Fields<'_>, key: &str, inputs: &[Input]) -> Result<Price, CatalogError> {
    let allowed = "credits as text, such as '0.20', with at most six digits behind the point";
    let Some(by) = fields.text("by")? else {
        let credits = fields.table.get(key).and_then(Value::as_str).and_then(Credits::parse);
        return credits.map(Price::Credits).ok_or_else(|| fields.wrong(key, allowed));
    };
    let input = inputs.iter().find(|input| input.name == by);
    let input = input.ok_or_else(|| fields.wrong("by", "the name of an input"))?;
    let otherwise = input.usual().or(input.allowed.last()).map(cost::key);
    let otherwise = otherwise.ok_or_else(|| fields.wrong("by", "an input with a default"))?;
    let table = fields.table(key)?.ok_or_else(|| fields.wrong(key, "a table of prices"))?;
    let read =
        |(name, value): (&String, &Value)| Some((name.clone(), Credits::parse(value.as_str()?)?));
    let credits: Option<Vec<_>> = table.iter().map(read).collect();
    let credits = credits.ok_or_else(|| fields.wrong(key, format!("a table of {allowed}")))?;
    let values = input.allowed.iter().map(cost::key).chain([otherwise.clone()]);
    for value in values {
        if !credits.iter().any(|(name, _)| *name == value) {
            return Err(fields.wrong(key, format!("a table with a price for '{value}', too")));
        }
    }
    Ok(Price::By { input: by.to_owned(), otherwise, credits })
}
