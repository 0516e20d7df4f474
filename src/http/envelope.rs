//! The fields that every submit may have beside what is asked for.

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::job::{JobId, Kind};

use super::{App, Code, Problem, project};

/// How long an external worker may be allowed to be silent, in milliseconds: a second to a day.
const SILENCE: std::ops::RangeInclusive<i64> = 1_000..=86_400_000;

/// Their names, for routes whose other fields are the input.
pub(super) const NAMES: [&str; 5] =
    ["project_id", "priority", "allow_duplicate", "retry_of", "webhook_url"];

/// Reads those fields and collects what is wrong with them.
pub(super) struct Reader<'a> {
    /// All fields of the body.
    pub(super) fields: &'a Map<String, Value>,
    /// What is wrong so far.
    pub(super) problem: Problem,
    /// The only project that the caller may name, and the one that it means when it names none.
    pub(super) only: Option<&'a str>,
}

impl Reader<'_> {
    /// Notes what is wrong with a field.
    pub(super) fn fail(&mut self, name: &str, detail: impl Into<String>) {
        let name: String = name.chars().take(64).collect();
        let name = name.replace('~', "~0").replace('/', "~1");
        self.fail_at(format!("/{name}"), detail);
    }

    /// Notes what is wrong at a JSON pointer.
    pub(super) fn fail_at(&mut self, pointer: String, detail: impl Into<String>) {
        let empty = Problem::new(Code::InvalidField, "");
        let problem = std::mem::replace(&mut self.problem, empty);
        self.problem = problem.field(pointer, detail);
    }

    /// Takes over what was found wrong elsewhere.
    pub(super) fn take_over(&mut self, problem: &Problem) {
        for error in problem.errors() {
            self.fail_at(error.pointer.clone(), error.detail.clone());
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn project(&mut self) -> String {
        let name = match self.get("project_id") {
            None => return self.only.unwrap_or("default").into(),
            Some(value) => value.as_str().unwrap_or_default().to_owned(),
        };
        if !project::is_name(&name) {
            self.fail("project_id", project::NAME_RULE);
            return "default".into();
        }
        if let Some(only) = self.only.filter(|only| *only != name) {
            self.fail("project_id", format!("must be '{only}': the key is for that project alone"));
        }
        name
    }

    pub(super) fn priority(&mut self) -> i32 {
        let Some(value) = self.get("priority") else { return 0 };
        let number = value.as_i64().filter(|number| (-100..=100).contains(number));
        if number.is_none() {
            self.fail("priority", "must be a whole number from -100 to 100");
        }
        number.and_then(|number| i32::try_from(number).ok()).unwrap_or(0)
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        let Some(value) = self.get(name) else { return false };
        let flag = value.as_bool();
        if flag.is_none() {
            self.fail(name, "must be true or false");
        }
        flag.unwrap_or(false)
    }

    pub(super) fn retry_of(&mut self) -> Option<JobId> {
        let id = self.get("retry_of")?.as_str().and_then(|text| text.parse().ok());
        if id.is_none() {
            self.fail("retry_of", "must be the id of a job");
        }
        id
    }

    /// Who is to be told how the job ends.
    pub(super) fn webhook(&mut self, app: &App) -> Option<SecretString> {
        let text = self.get("webhook_url")?.as_str();
        let checked = match (text, &app.webhooks) {
            (None, _) => Err("must be a text: an https address".to_owned()),
            (_, None) => Err("is not taken: this server has no TAILWATER_WEBHOOK_SECRET to sign \
                 webhooks with"
                .to_owned()),
            (Some(text), Some(webhooks)) => {
                webhooks.check(text).map_err(|refused| refused.to_string())
            }
        };
        checked.map_err(|detail| self.fail("webhook_url", detail)).ok().map(SecretString::from)
    }

    pub(super) fn silence(&mut self, kind: Kind) -> Option<i64> {
        let number = self.get("silence_limit_ms")?.as_i64().filter(|limit| SILENCE.contains(limit));
        if number.is_none() {
            let (least, most) = (SILENCE.start(), SILENCE.end());
            self.fail("silence_limit_ms", format!("must be a whole number from {least} to {most}"));
        } else if kind != Kind::External {
            self.fail("silence_limit_ms", "is only for jobs of the kind 'external'");
        }
        number
    }

    /// Refuses every field but these.
    pub(super) fn refuse_unknown(&mut self, known: &[&str]) {
        let unknown: Vec<_> =
            self.fields.keys().filter(|name| !known.contains(&name.as_str())).take(16).collect();
        for name in unknown {
            self.fail(name, format!("is not a field of a job; it has {}", known.join(", ")));
        }
    }
}
