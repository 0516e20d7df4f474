//! The modules import one way only: the layers of `ARCHITECTURE.md`.
//!
//! A module imports modules of the rows above its own, or, in a row that is read from left to
//! right, modules to its left. What the compiler cannot hold (within one crate, every module sees
//! every other), this test does: it reads the sources and follows each `crate::…` and each
//! `super::…` that reaches the root. Test code may look anywhere and is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A row of the list of layers.
enum Row {
    /// Modules that do not know each other.
    Neighbours(&'static [&'static str]),
    /// Modules that know those to their left.
    LeftToRight(&'static [&'static str]),
}

use Row::{LeftToRight, Neighbours};

/// The layers from the top of the list down.
const LAYERS: &[Row] = &[
    Neighbours(&[
        "telemetry",
        "backoff",
        "descriptors",
        "nearest",
        "signing",
        "sync",
        "tls",
        "event",
    ]),
    Neighbours(&["job"]),
    Neighbours(&["db", "nats", "artifact", "outward", "provider", "catalog"]),
    LeftToRight(&["credits", "store", "access", "queue"]),
    Neighbours(&["worker", "webhook", "reconcile", "fanout"]),
    Neighbours(&["http"]),
    Neighbours(&["config"]),
    Neighbours(&["server"]),
];

/// Modules beside the layers, with all that they may import.
const BESIDE: &[(&str, &[&str])] = &[
    ("client", &["event", "backoff"]),
    ("simulator", &["telemetry", "backoff", "event"]),
    ("doctor", &["descriptors", "event", "job", "db", "artifact", "provider", "config", "server"]),
    ("loadtest", &["telemetry", "backoff", "descriptors", "event", "client", "simulator"]),
];

/// The one module that knows everything.
const OUTERMOST: &str = "cli";

/// Modules of the layers that may import one beside them.
const REACHES_BESIDE: &[(&str, &str)] = &[("server", "simulator")];

/// What a module may import, or nothing when the module has no place.
fn allowed(module: &str) -> Option<BTreeSet<&'static str>> {
    if module == OUTERMOST {
        return Some(all_modules());
    }
    if let Some((_, imports)) = BESIDE.iter().find(|(name, _)| *name == module) {
        return Some(imports.iter().copied().collect());
    }
    let mut above = BTreeSet::new();
    for row in LAYERS {
        let (names, from_the_left) = match row {
            Neighbours(names) => (*names, 0),
            LeftToRight(names) => {
                (*names, names.iter().position(|name| *name == module).unwrap_or(0))
            }
        };
        if names.contains(&module) {
            let beside = REACHES_BESIDE.iter().filter(|(name, _)| *name == module);
            above.extend(beside.map(|(_, other)| *other));
            above.extend(&names[..from_the_left]);
            return Some(above);
        }
        above.extend(names);
    }
    None
}

fn all_modules() -> BTreeSet<&'static str> {
    let names = |row: &Row| match row {
        Neighbours(names) | LeftToRight(names) => *names,
    };
    let layers = LAYERS.iter().flat_map(names);
    layers.chain(BESIDE.iter().map(|(name, _)| name)).copied().chain([OUTERMOST]).collect()
}

/// How a message names the place of a module.
fn place(module: &str) -> String {
    let has = |row: &Row| match row {
        Neighbours(names) | LeftToRight(names) => names.contains(&module),
    };
    match LAYERS.iter().position(has) {
        Some(layer) => format!("{module} (layer {layer})"),
        None if all_modules().contains(module) => format!("{module} (beside the layers)"),
        None => format!("{module} (in no layer)"),
    }
}

/// The imports of one file that go the wrong way. `file` is relative to `src`.
fn violations(file: &Path, source: &str) -> Vec<String> {
    let path = module_path(file);
    let Some(module) = path.first() else { return Vec::new() };
    let Some(allowed) = allowed(module) else {
        return vec![format!("src/{}: {} has to be given one", file.display(), place(module))];
    };
    let wrong = |import: &Import| import.name != *module && !allowed.contains(&*import.name);
    let message = |import: Import| {
        let (from, to) = (place(module), place(&import.name));
        format!("src/{}:{}: {from} imports {to}", file.display(), import.line)
    };
    let imports = imports(&tokens(&code_of(source)), path.len());
    imports.into_iter().filter(wrong).map(message).collect()
}

/// `store/log.rs` is `["store", "log"]`, `store/mod.rs` is `["store"]`, the roots are `[]`.
fn module_path(file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if path.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        path.pop();
    }
    path
}

/// A top-level module that some code names.
struct Import {
    line: usize,
    name: String,
}

/// The top-level modules that the tokens name; `depth` is how many `super` lead to the root.
fn imports(tokens: &[Token<'_>], depth: usize) -> Vec<Import> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = at == 0 || tokens[at - 1].text != ":";
        let root = match tokens[at].text {
            "crate" => Some(at + 1),
            "super" if begins => after_supers(tokens, at, depth),
            _ => None,
        };
        if let Some(root) = root {
            found.extend(names_behind(tokens, root));
        }
        at += 1;
    }
    found
}

/// The place behind `super::super`, if there are exactly as many as lead to the root.
fn after_supers(tokens: &[Token<'_>], start: usize, depth: usize) -> Option<usize> {
    let mut at = start;
    let mut supers = 1;
    while follows(tokens, at + 1, &[":", ":", "super"]) {
        at += 3;
        supers += 1;
    }
    (supers == depth).then_some(at + 1)
}

/// The names right behind a path to the root: one, or those of a group.
fn names_behind(tokens: &[Token<'_>], at: usize) -> Vec<Import> {
    if !follows(tokens, at, &[":", ":"]) {
        return Vec::new();
    }
    let rest = &tokens[at + 2..];
    let mut names = Vec::new();
    let mut depth = 0;
    let mut begins = true;
    for token in rest {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," => {}
            name if begins && name != "self" => {
                names.push(Import { line: token.line, name: name.to_owned() });
            }
            _ => {}
        }
        begins = depth == 1 && matches!(token.text, "{" | ",");
        if depth == 0 {
            break;
        }
    }
    names
}

fn follows(tokens: &[Token<'_>], at: usize, texts: &[&str]) -> bool {
    let rest = tokens.get(at..).unwrap_or_default();
    rest.len() >= texts.len() && rest.iter().zip(texts).all(|(token, text)| token.text == *text)
}

/// A word or a single other symbol, with its line from 1.
struct Token<'a> {
    line: usize,
    text: &'a str,
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let is_word = |symbol: char| symbol.is_alphanumeric() || symbol == '_';
    let mut found = Vec::new();
    for (line, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let end = if is_word(first) {
                rest.find(|symbol| !is_word(symbol)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            found.push(Token { line: line + 1, text: &rest[..end] });
            rest = rest[end..].trim_start();
        }
    }
    found
}

/// The source with comments, literals and test items blanked; lines stay where they are.
fn code_of(source: &str) -> String {
    let mut code = without_comments_and_literals(source);
    while let Some(start) = code.find("#[cfg(test)]") {
        let end = start + end_of_item(&code[start..]);
        let blank = blanked(&code[start..end]);
        code.replace_range(start..end, &blank);
    }
    code
}

/// Where the item that the text begins with is over: behind its `;` or its closing brace.
fn end_of_item(text: &str) -> usize {
    let behind_attribute = text.find(']').map_or(0, |at| at + 1);
    let mut depth = 0_usize;
    for (at, symbol) in text.char_indices().skip(behind_attribute) {
        match symbol {
            ';' if depth == 0 => return at + 1,
            '}' if depth <= 1 => return at + 1,
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

fn without_comments_and_literals(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while !rest.is_empty() {
        let hidden = length_of_hidden(rest, code.chars().next_back());
        if hidden > 0 {
            code += &blanked(&rest[..hidden]);
            rest = &rest[hidden..];
        } else {
            let step = rest.chars().next().map_or(0, char::len_utf8);
            code += &rest[..step];
            rest = &rest[step..];
        }
    }
    code
}

/// How many bytes of a comment or a literal the text begins with.
fn length_of_hidden(text: &str, before: Option<char>) -> usize {
    let in_word = before.is_some_and(|symbol| symbol.is_alphanumeric() || symbol == '_');
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return text.find("*/").map_or(text.len(), |at| at + 2);
    }
    if text.starts_with('"') {
        return length_of_string(text);
    }
    if text.starts_with('r') && !in_word {
        let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
        if text[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = 2 + hashes;
            return text[start..].find(&end).map_or(text.len(), |at| start + at + end.len());
        }
    }
    if text.starts_with('\'') { length_of_character(text) } else { 0 }
}

fn length_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, symbol) in text.char_indices().skip(1) {
        match symbol {
            '"' if !escaped => return at + 1,
            _ => escaped = symbol == '\\' && !escaped,
        }
    }
    text.len()
}

/// 0 for a lifetime.
fn length_of_character(text: &str) -> usize {
    let mut symbols = text.char_indices().skip(1);
    match symbols.next() {
        // The symbol behind the backslash may itself be a quote.
        Some((_, '\\')) => text[3..].find('\'').map_or(0, |at| at + 4),
        Some(_) => match symbols.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

fn blanked(text: &str) -> String {
    text.chars().map(|symbol| if symbol == '\n' { '\n' } else { ' ' }).collect()
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below `src`, relative to it, but those that hold a module's tests.
fn source_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![source_folder()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the sources are readable") {
            let path = entry.expect("the sources are readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                let inside = path.strip_prefix(source_folder()).expect("it was found there");
                files.push(inside.to_owned());
            }
        }
    }
    files.sort();
    files
}

#[test]
fn modules_import_only_layers_above_them() {
    let check = |file: &PathBuf| {
        let source = fs::read_to_string(source_folder().join(file)).expect("sources are UTF-8");
        violations(file, &source)
    };
    let files = source_files();
    assert!(files.len() > 20, "the sources were not found: {files:?}");
    let wrong: Vec<String> = files.iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "imports against the layers:\n{}", wrong.join("\n"));
}

#[test]
fn every_top_level_module_has_its_place() {
    let known = all_modules();
    let root = fs::read_to_string(source_folder().join("lib.rs")).expect("there is a library");
    let code = code_of(&root);
    let declared: Vec<String> = tokens(&code)
        .windows(2)
        .filter(|pair| pair[0].text == "mod")
        .map(|pair| pair[1].text.to_owned())
        .collect();
    let on_disk = source_files().into_iter().filter_map(|file| module_path(&file).first().cloned());
    let homeless: BTreeSet<String> =
        declared.into_iter().chain(on_disk).filter(|name| !known.contains(name.as_str())).collect();
    assert!(homeless.is_empty(), "modules that no layer names: {homeless:?}");
}

#[test]
fn a_planted_violation_is_caught_however_it_is_written() {
    for (file, source, lines) in [
        ("store/mod.rs", "use crate::http::Page;", vec![1]),
        ("store/log.rs", "\n\nfn f() { crate::worker::run(); }", vec![3]),
        ("store/log.rs", "use crate::{event::Frame, http, job::{Kind, http}};", vec![1]),
        ("store/log.rs", "use crate::{\n    event,\n    server::{self, Error},\n};", vec![3]),
        ("store/log.rs", "use super::super::queue::Queue;", vec![1]),
        ("store.rs", "use super::cli;", vec![1]),
        ("db/mod.rs", "use crate::artifact::Store;", vec![1]),
        ("http/mod.rs", "use crate::config::Settings;", vec![1]),
        ("simulator/mod.rs", "use crate::job::Kind;", vec![1]),
        ("job/mod.rs", "/// 'a'\nfn f(x: &'static str) { '\"'; crate::db::g('\\'') }", vec![2]),
        ("job/mod.rs", "#[cfg(test)]\nuse crate::db;\nuse crate::http;", vec![3]),
        ("job/mod.rs", "#[cfg(test)]\nfn f(x: [u8; 2]) { g({}); }\nuse crate::http;", vec![3]),
        ("novelty/mod.rs", "", vec![]),
    ] {
        let found = violations(Path::new(file), source);
        assert_eq!(found.len(), lines.len().max(1), "{file}: {source}: {found:?}");
        for (message, line) in found.iter().zip(lines) {
            assert!(message.starts_with(&format!("src/{file}:{line}: ")), "{message}");
        }
    }
    let message = violations(Path::new("store/mod.rs"), "use crate::http::Page;").remove(0);
    assert_eq!(message, "src/store/mod.rs:1: store (layer 3) imports http (layer 5)");
}

#[test]
fn what_goes_the_right_way_is_let_through() {
    for (file, source) in [
        ("queue/mod.rs", "use crate::store::Store; use crate::credits::Hold;"),
        ("store/mod.rs", "use crate::{db::Database, event::Frame, job::{self, Kind}};"),
        ("store/log.rs", "use super::accept; use crate::store::follow; use super::super::job;"),
        ("store/mod.rs", "// use crate::http;\n/* crate::cli */ const A: &str = \"crate::http\";"),
        ("store/mod.rs", "const A: &str = r#\"\"use crate::http\"#; pub(crate) struct B;"),
        ("store/mod.rs", "#[cfg(test)]\nmod tests { use crate::http::{a, b}; fn f() {} }"),
        ("store/mod.rs", "#[cfg(test)]\nfn f(x: [u8; 2]) { crate::http::g({}); crate::cli::h(); }"),
        ("server/mod.rs", "use crate::{simulator, http, config, worker};"),
        ("client/watch.rs", "use crate::backoff; use super::super::event::parse;"),
        ("cli/mod.rs", "use crate::{server, loadtest, client, config};"),
        ("main.rs", "fn main() { tailwater::cli::main(); }"),
    ] {
        assert_eq!(violations(Path::new(file), source), [""; 0], "{file}: {source}");
    }
}
