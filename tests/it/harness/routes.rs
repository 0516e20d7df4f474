//! The routes that the sources have, read from the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The words that give a route a method.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Every path that `src/http` gives a route, as it stands there, with its methods.
pub fn routes() -> BTreeMap<String, Vec<&'static str>> {
    fn walk(folder: &Path, found: &mut BTreeMap<String, Vec<&'static str>>) {
        for entry in fs::read_dir(folder).expect("sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
                continue;
            }
            if path.ends_with("tests.rs") {
                continue;
            }
            let source = fs::read_to_string(&path).expect("a source");
            let product = source.split("#[cfg(test)]").next().expect("the beginning");
            for part in product.split(".route(").skip(1) {
                let Some(text) = part.trim_start().strip_prefix('"') else { continue };
                let (route, rest) = text.split_once('"').expect("it ends");
                let methods = methods(until_closed(rest));
                assert!(!methods.is_empty(), "{}: {route} has a method", path.display());
                found.entry(route.to_owned()).or_default().extend(methods);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"), &mut found);
    assert!(found.len() > 40, "all routes are found: {found:?}");
    found
}

/// The text up to the bracket that closes the one before it.
fn until_closed(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        depth == 0
    });
    &text[..end.expect("brackets are closed")]
}

fn methods(text: &str) -> Vec<&'static str> {
    let mut words = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    let called = |word: &str| text.contains(&format!("{word}("));
    let words: Vec<_> = words.by_ref().collect();
    METHODS.into_iter().filter(|method| words.contains(method) && called(method)).collect()
}
