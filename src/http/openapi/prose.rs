//! Doc comments as descriptions: what they say to readers of the code alone is left out.

use utoipa::Modify;
use utoipa::openapi::OpenApi;

use super::operations;

/// Makes of each handler's doc comment a summary and a description.
pub(super) struct Plain;

impl Modify for Plain {
    fn modify(&self, document: &mut OpenApi) {
        for item in document.paths.paths.values_mut() {
            for (_, operation) in operations(item) {
                let parts = [operation.summary.take(), operation.description.take()];
                let comment = parts.into_iter().flatten().collect::<Vec<_>>().join("\n");
                let (summary, description) = split(&comment);
                operation.summary = Some(summary);
                operation.description = (!description.is_empty()).then_some(description);
            }
        }
    }
}

/// The first sentence, without the route that it may begin with, and the paragraphs after it, without
/// the section that lists errors.
fn split(comment: &str) -> (String, String) {
    let comment = comment.split("# Errors").next().unwrap_or_default().trim();
    let (first, rest) = comment.split_once("\n\n").unwrap_or((comment, ""));
    let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = match first.split_once("`: ") {
        Some((route, said)) if route.starts_with('`') && route.contains(" /") => said,
        _ => &first,
    };
    let mut letters = said.chars();
    let capital = letters.next().map(|letter| letter.to_uppercase().to_string());
    let summary = capital.unwrap_or_default() + letters.as_str();
    (summary, rest.trim().replace("[`", "`").replace("`]", "`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_says_what_a_client_wants_to_know() {
        let comment =
            "`GET /api/x`: looks,\nand says so.\n\nTwice, by [`f`].\n\n# Errors\n[`Code`].";
        assert_eq!(split(comment), ("Looks, and says so.".into(), "Twice, by `f`.".into()));
        assert_eq!(split("Looks."), ("Looks.".into(), String::new()));
    }
}
