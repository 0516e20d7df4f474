//! The catalog's file as a whole: rows and providers before they are read, and how an operator's
//! file is laid over the one that comes with the server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use toml::de::DeTable;
use toml::{Table, Value};

use super::Catalog;
use super::error::CatalogError;
use super::fields::Fields;
use super::model::{Polling, Provider};
use super::row;

/// The providers that this server speaks to.
const PROVIDERS: &[&str] = &["replicate", "fal", "runway", "minimax", "bfl"];

/// What stands in a file.
pub(super) struct File {
    ignored: Vec<String>,
    providers: BTreeMap<String, Table>,
    rows: Vec<Table>,
}

impl File {
    pub(super) fn read(text: &str) -> Result<Self, CatalogError> {
        let whole = parse(text)?;
        let fields = Fields::new("the file", &whole, &["ignored", "providers", "models"])?;
        let mut providers = BTreeMap::new();
        if let Some(tables) = fields.table("providers")? {
            let tables = Fields::new("providers", tables, PROVIDERS)?;
            for name in PROVIDERS {
                if let Some(table) = tables.table(name)? {
                    providers.insert((*name).to_owned(), table.clone());
                }
            }
        }
        let rows: Vec<Table> = fields.tables("models")?.into_iter().cloned().collect();
        let mut seen = BTreeSet::new();
        for (number, row) in rows.iter().enumerate() {
            let place = format!("model {} of the file", number + 1);
            let fields = Fields { place, table: row };
            let slug = fields.need("slug", "the name that clients use for the model")?;
            if !seen.insert(slug) {
                return Err(fields.wrong("slug", "a slug that no other row of the file has"));
            }
        }
        Ok(Self { ignored: fields.texts("ignored")?, providers, rows })
    }

    /// Lays another file over this one.
    pub(super) fn extend(&mut self, over: Self) {
        self.ignored.extend(over.ignored);
        for (name, table) in over.providers {
            self.providers.entry(name).or_default().extend(table);
        }
        for row in over.rows {
            let own = self.rows.iter_mut().find(|own| own.get("slug") == row.get("slug"));
            match own {
                Some(own) => lay_over(own, row),
                None => self.rows.push(row),
            }
        }
    }

    /// Reads every row.
    pub(super) fn catalog(&self) -> Result<Catalog, CatalogError> {
        let mut providers = BTreeMap::new();
        for (name, table) in &self.providers {
            providers.insert(name.clone(), Arc::new(provider(name, table)?));
        }
        let mut models = Vec::new();
        for table in &self.rows {
            models.push(Arc::new(row::read(table, &providers, &self.ignored)?));
        }
        for model in &models {
            let successor = model.retired.as_ref().and_then(|retired| retired.successor.as_ref());
            let known = |slug: &String| models.iter().any(|other| other.slug == *slug);
            if let Some(slug) = successor.filter(|slug| !known(slug)) {
                return Err(model.wrong("successor", slug, "the slug of a model of the catalog"));
            }
        }
        Catalog::new(models, providers)
    }
}

fn parse(text: &str) -> Result<Table, CatalogError> {
    // Read once for the place of a mistake, which the plain reader hides in its drawing.
    DeTable::parse(text).map_err(|error| CatalogError::Syntax {
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        reason: error.message().replace('\n', ", "),
    })?;
    text.parse::<Table>().map_err(|error| CatalogError::Syntax {
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        reason: error.message().replace('\n', ", "),
    })
}

/// The line, from 1, that the byte stands in.
fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

/// Changes a row: inputs field by field, everything else as a whole.
fn lay_over(own: &mut Table, mut over: Table) {
    let inputs = match (own.get_mut("inputs"), over.remove("inputs")) {
        (Some(Value::Array(own)), Some(Value::Array(over))) => {
            for input in over {
                lay_over_input(own, input);
            }
            None
        }
        (_, inputs) => inputs,
    };
    own.extend(over);
    own.extend(inputs.map(|inputs| ("inputs".to_owned(), inputs)));
}

fn lay_over_input(own: &mut Vec<Value>, input: Value) {
    let name = input.get("name").cloned();
    let same = own.iter_mut().find(|own| name.is_some() && own.get("name") == name.as_ref());
    match (same, input) {
        (Some(Value::Table(own)), Value::Table(input)) => own.extend(input),
        // What is no table is refused when the row is read.
        (_, input) => own.push(input),
    }
}

fn provider(name: &str, table: &Table) -> Result<Provider, CatalogError> {
    let place = format!("provider '{name}'");
    let known = ["title", "polling", "time_limit", "requests_per_minute", "notes"];
    let fields = Fields::new(place.clone(), table, &known)?;
    let missing = |key: &str| fields.wrong(key, "given for every provider");
    Ok(Provider {
        name: name.to_owned(),
        title: fields.need("title", "what people call the provider")?.to_owned(),
        polling: polling(&fields)?.ok_or_else(|| missing("polling"))?,
        time_limit: fields.time("time_limit")?.ok_or_else(|| missing("time_limit"))?,
        requests_per_minute: fields.count("requests_per_minute")?,
        notes: fields.owned("notes")?,
    })
}

/// `polling = { first = "5s", ceiling = "30s" }` of a provider or a row.
pub(super) fn polling(fields: &Fields<'_>) -> Result<Option<Polling>, CatalogError> {
    let Some(table) = fields.table("polling")? else { return Ok(None) };
    let place = format!("{}, polling", fields.place);
    let fields = Fields::new(place, table, &["first", "ceiling", "per_position"])?;
    let missing = |key: &str| fields.wrong(key, "a time such as '5s'");
    let polling = Polling {
        first: fields.time("first")?.ok_or_else(|| missing("first"))?,
        ceiling: fields.time("ceiling")?.ok_or_else(|| missing("ceiling"))?,
        per_position: fields.time("per_position")?.unwrap_or_default(),
    };
    if polling.first.is_zero() || polling.ceiling < polling.first {
        return Err(fields.wrong("first", "more than nothing, and not above the ceiling"));
    }
    Ok(Some(polling))
}
