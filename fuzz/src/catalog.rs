//! An operator's file of models: it is taken, or the error says where, what and what is allowed.

use serde_json::Value;
use tailwater::catalog::{Catalog, CatalogError};

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check(Catalog::alone(text));
    // Over the rows that come with the server: a hundred times as slow.
    if text.len().is_multiple_of(64) {
        check(Catalog::with_file(text));
    }
}

fn check(read: Result<Catalog, CatalogError>) {
    match read {
        Ok(catalog) => {
            for model in catalog.iter() {
                assert!(matches!(model.view(), Value::Object(_)));
                assert!(catalog.find(&model.slug).is_ok_and(|found| found.slug == model.slug));
            }
        }
        Err(error) => named(&error),
    }
}

fn named(error: &CatalogError) {
    let words: &[&String] = match error {
        CatalogError::Syntax { line, reason } => {
            assert!(*line > 0);
            &[reason]
        }
        CatalogError::UnknownKey { place, .. } => &[place],
        CatalogError::Missing { place, key, allowed } => &[place, key, allowed],
        CatalogError::Value { place, key, value, allowed } => &[place, key, value, allowed],
        CatalogError::Example { slug, pointer, detail } => &[slug, pointer, detail],
    };
    assert!(words.iter().all(|word| !word.is_empty()), "{error:?}");
}
