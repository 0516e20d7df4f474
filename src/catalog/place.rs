//! Where the files are in a provider's answer.

use serde_json::Value;

/// A path to URLs in a JSON value: names with dots between them, `[]` behind a name for every item
/// of a list. `output`, `video.url`, `images[].url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPath {
    text: String,
    steps: Vec<String>,
}

impl OutputPath {
    /// Reads a path; none when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let steps: Vec<String> = text
            .split('.')
            .map(|step| step.strip_suffix("[]").unwrap_or(step).to_owned())
            .collect();
        let name = |step: &String| {
            !step.is_empty()
                && step.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        steps.iter().all(name).then(|| Self { text: text.to_owned(), steps })
    }

    /// The path as it stands in the file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URLs at this place, in order: of a text, the text; of a list, those of each item.
    ///
    /// Lists are looked into wherever they stand, marked or not: a provider that answers with one
    /// URL today answers with a list of one tomorrow (Replicate's `output` is either).
    #[must_use]
    pub fn urls(&self, answer: &Value) -> Vec<String> {
        let mut urls = Vec::new();
        walk(answer, &self.steps, &mut urls);
        urls
    }
}

fn walk(value: &Value, steps: &[String], urls: &mut Vec<String>) {
    match (value, steps) {
        (Value::Array(items), _) => items.iter().for_each(|item| walk(item, steps, urls)),
        (Value::Object(object), [step, rest @ ..]) => {
            if let Some(value) = object.get(step) {
                walk(value, rest, urls);
            }
        }
        (Value::String(url), []) if !url.is_empty() => urls.push(url.clone()),
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _)
        | (Value::Object(_), []) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn urls(path: &str, answer: &Value) -> Vec<String> {
        OutputPath::parse(path).unwrap().urls(answer)
    }

    #[test]
    fn every_providers_answer_gives_its_files() {
        assert_eq!(urls("output", &json!({"output": "a"})), ["a"]);
        assert_eq!(urls("output", &json!({"output": ["a", "b"]})), ["a", "b"]);
        assert_eq!(urls("video.url", &json!({"video": {"url": "a", "file_size": 3}})), ["a"]);
        assert_eq!(urls("result.sample", &json!({"result": {"sample": "a", "seed": 4}})), ["a"]);
        assert_eq!(
            urls("images[].url", &json!({"images": [{"url": "a"}, {}, {"url": "b"}]})),
            ["a", "b"]
        );
    }

    #[test]
    fn an_answer_without_files_gives_none() {
        for answer in [json!({}), json!({"output": null}), json!({"output": ""}), json!([])] {
            assert!(urls("output", &answer).is_empty(), "{answer}");
        }
        assert!(urls("video.url", &json!({"video": "a"})).is_empty());
        assert!(urls("video", &json!({"video": {"url": "a"}})).is_empty());
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "a.", ".a", "a..b", "a b", "a[0]", "$"] {
            assert_eq!(OutputPath::parse(text), None, "{text}");
        }
    }
}
