//! The table of models: what each is called, who makes it, what it takes, what it costs and where
//! its files are.
//!
//! Models are data. The rows that come with the server stand in `catalog/models.toml`; an
//! operator's file adds rows or changes fields of them. Whoever submits asks the catalog for a
//! [`Model`] and has the input checked by it ([`Model::check`]); whoever runs a job asks it what to
//! send where, how often to look, and what the result costs.
//!
//! - [`model`] is a row;
//! - [`input`] is what a row takes, and [`check`] holds an input against it;
//! - [`cost`] is what a job costs, in whole micro-credits;
//! - [`place`] finds the files in a provider's answer;
//! - [`uri`] tells what a text that names a file may be.

pub mod check;
pub mod cost;
pub mod input;
pub mod model;
pub mod place;
pub mod uri;

mod error;
mod fields;
mod file;
mod row;
mod value;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::nearest::nearest;

pub use self::check::{Checked, FilePlace};
pub use self::error::CatalogError;
pub use self::input::{Input, InputType, Media};
pub use self::model::{Mode, Model, Polling, Provider, Retired};
pub use self::uri::Reference;

/// The rows that come with the server.
const BUILTIN: &str = include_str!("../../catalog/models.toml");

/// Every model that this server knows. Clones are cheap and share the rows.
#[derive(Clone, Debug)]
pub struct Catalog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    models: Vec<Arc<Model>>,
    providers: BTreeMap<String, Arc<Provider>>,
    /// Slugs to rows.
    slugs: HashMap<String, usize>,
    /// Aliases and upstream ids to rows; several rows may share one.
    names: HashMap<String, Vec<usize>>,
}

/// Nothing in the catalog is called so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no model '{name}'{}", hint(nearest.as_deref()))]
pub struct UnknownModel {
    /// The name that was asked for, shortened to 64 characters.
    pub name: String,
    /// The slug, alias or upstream id that is most like it.
    pub nearest: Option<String>,
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|meant| format!("; did you mean '{meant}'?")).unwrap_or_default()
}

impl Catalog {
    /// The rows that come with the server.
    ///
    /// # Panics
    /// Never: a test reads the same rows.
    #[must_use]
    pub fn builtin() -> Self {
        let file = file::File::read(BUILTIN).and_then(|file| file.catalog());
        file.expect("the rows that come with the server are right")
    }

    /// The rows that come with the server, extended by an operator's file (TOML).
    ///
    /// A row with a new slug is added. A row with a known slug needs only the fields that are to
    /// change; of its inputs, those that are named are changed field by field, or added, and the
    /// rest stays. Tables of providers are changed field by field.
    ///
    /// # Errors
    /// The first thing that is wrong in the file, by row, key, value and what is allowed.
    pub fn with_file(toml: &str) -> Result<Self, CatalogError> {
        let mut file = file::File::read(BUILTIN)?;
        file.extend(file::File::read(toml)?);
        file.catalog()
    }

    /// A file alone, without the rows that come with the server: for the fuzzer, which would read those
    /// thousands of times a second.
    ///
    /// # Errors
    /// As [`Catalog::with_file`].
    #[doc(hidden)]
    pub fn alone(toml: &str) -> Result<Self, CatalogError> {
        file::File::read(toml)?.catalog()
    }

    /// The same models, some of which have as many permits of their own as stands here by their
    /// slugs; other names are passed over.
    #[must_use]
    pub fn with_concurrency(&self, permits: &BTreeMap<String, u32>) -> Self {
        let bound = |model: &Arc<Model>| match permits.get(&model.slug) {
            Some(count) => Arc::new(Model { concurrency: Some(*count), ..Model::clone(model) }),
            None => Arc::clone(model),
        };
        let models = self.shared.models.iter().map(bound).collect();
        let Shared { providers, slugs, names, .. } = &*self.shared;
        let (providers, slugs, names) = (providers.clone(), slugs.clone(), names.clone());
        Self { shared: Arc::new(Shared { models, providers, slugs, names }) }
    }

    fn new(
        models: Vec<Arc<Model>>,
        providers: BTreeMap<String, Arc<Provider>>,
    ) -> Result<Self, CatalogError> {
        let rows = models.iter().enumerate();
        let slugs: HashMap<_, _> = rows.map(|(row, model)| (model.slug.clone(), row)).collect();
        let mut names: HashMap<String, Vec<usize>> = HashMap::new();
        for (row, model) in models.iter().enumerate() {
            if let Some(alias) = model.aliases.iter().find(|alias| slugs.contains_key(*alias)) {
                let other = format!("a name that is no model's slug, as '{alias}' is");
                return Err(model.wrong("aliases", alias, other));
            }
            for name in model.other_names() {
                let rows = names.entry(name.to_owned()).or_default();
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
        }
        Ok(Self { shared: Arc::new(Shared { models, providers, slugs, names }) })
    }

    /// The model of this slug.
    #[must_use]
    pub fn get(&self, slug: &str) -> Option<&Arc<Model>> {
        self.shared.slugs.get(slug).map(|row| &self.shared.models[*row])
    }

    /// The model of this slug, alias or upstream id. Where several rows share an alias or an
    /// upstream id it is the first of them: [`Catalog::fitting`] looks at the input, too.
    ///
    /// # Errors
    /// [`UnknownModel`], with the name that is most like it.
    pub fn find(&self, name: &str) -> Result<&Arc<Model>, UnknownModel> {
        self.called(name).into_iter().next().ok_or_else(|| self.unknown(name))
    }

    /// The model of this name that takes this input; where none takes it, the one that finds the
    /// least wrong with it.
    ///
    /// A provider's own name for a model ("gen4.5") often stands for several rows, one for each
    /// way of using it: what a client gives tells which it means.
    ///
    /// # Errors
    /// [`UnknownModel`], with the name that is most like it.
    pub fn fitting(
        &self,
        name: &str,
        input: &Map<String, Value>,
    ) -> Result<&Arc<Model>, UnknownModel> {
        let wrong =
            |model: &&Arc<Model>| model.check(input).map_or_else(|errors| errors.len(), |_| 0);
        self.called(name).into_iter().min_by_key(wrong).ok_or_else(|| self.unknown(name))
    }

    /// Every row that has this slug, alias or upstream id, in the file's order.
    #[must_use]
    pub fn called(&self, name: &str) -> Vec<&Arc<Model>> {
        if let Some(model) = self.get(name) {
            return vec![model];
        }
        let rows = self.shared.names.get(name).map_or(&[][..], Vec::as_slice);
        rows.iter().map(|row| &self.shared.models[*row]).collect()
    }

    fn unknown(&self, name: &str) -> UnknownModel {
        let slugs = self.shared.models.iter().map(|model| model.slug.as_str());
        let names = self.shared.models.iter().flat_map(|model| model.other_names());
        let nearest = nearest(name, slugs.chain(names)).map(str::to_owned);
        UnknownModel { name: name.chars().take(64).collect(), nearest }
    }

    /// Every model, in the file's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Model>> {
        self.shared.models.iter()
    }

    /// A provider by its name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.shared.providers.get(name)
    }

    /// Every provider, by name.
    pub fn providers(&self) -> impl ExactSizeIterator<Item = &Arc<Provider>> {
        self.shared.providers.values()
    }
}

#[cfg(test)]
mod tests;
