//! Inputs of models, held against the rows that come with the server.

use std::sync::LazyLock;

use serde_json::{Map, Value};
use tailwater::catalog::Catalog;

use super::input::Input;

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::builtin);

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let row = usize::from(input.byte()) % CATALOG.iter().len();
    let model = CATALOG.iter().nth(row).expect("there are so many");
    let Ok(given) = serde_json::from_slice::<Map<String, Value>>(input.rest()) else { return };
    let checked = match model.check(&given) {
        Ok(checked) => checked,
        Err(errors) => {
            assert!(!errors.is_empty());
            let named = |pointer: &str| pointer.is_empty() || pointer.starts_with('/');
            for error in errors {
                assert!(named(&error.pointer) && !error.detail.is_empty(), "{error:?}");
                assert!(error.pointer.len() + error.detail.len() < 4096, "{error:?}");
            }
            return;
        }
    };
    for name in checked.input.keys() {
        assert!(model.input(name).is_some(), "{name} is no input of {}", model.slug);
    }
    assert!(model.estimate(&checked.input) >= 0);
    assert!(model.cost(&checked.input, Some(u64::MAX)) >= 0);
    assert!(!model.upstream_for(&checked.input).is_empty());
    let whole = Value::Object(checked.input);
    for file in checked.files {
        assert!(whole.pointer(&file.pointer).is_some_and(Value::is_string), "{}", file.pointer);
    }
}
