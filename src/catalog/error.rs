//! What can be wrong with a catalog's file, in one sentence each.

/// The file cannot be used. Whoever read it knows its path and says it in front.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// It is not TOML.
    #[error("line {line} is not valid TOML: {reason}")]
    Syntax {
        /// Which line, from 1.
        line: usize,
        /// What the parser expected.
        reason: String,
    },
    /// A table has a key that means nothing there.
    #[error("{place}: '{key}' is not known here{hint}")]
    UnknownKey {
        /// Which table: the row, by its slug, and what in it.
        place: String,
        /// The key as it stands there.
        key: String,
        /// What was probably meant, or what there is.
        hint: String,
    },
    /// A table lacks a key.
    #[error("{place}: {key} is missing: it must be {allowed}")]
    Missing {
        /// Which table.
        place: String,
        /// The key.
        key: String,
        /// What is allowed.
        allowed: String,
    },
    /// A value is not allowed.
    #[error("{place}: {key} cannot be {value}: it must be {allowed}")]
    Value {
        /// Which table.
        place: String,
        /// The key.
        key: String,
        /// The value, shortened.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// The example of a row is not an input that the row takes.
    #[error("model '{slug}': its example is refused: {pointer} {detail}")]
    Example {
        /// The row.
        slug: String,
        /// Where in the example.
        pointer: String,
        /// What is wrong there.
        detail: String,
    },
}
