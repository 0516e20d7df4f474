//! What an operation may be refused for: each code under its status, with an example.
//!
//! A handler lists the codes that are its own, as `x-problems`. Those that follow from what it is (who
//! may call it, whether it has a body) are put beside them here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AllOfBuilder, Schema, SchemaType};
use utoipa::openapi::{
    ContentBuilder, Header, ObjectBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Type,
};
use utoipa::{Modify, PartialSchema, ToSchema};

use crate::http::problem::FieldError;
use crate::http::{Code, Problem};

use super::operations;

/// Where a handler lists its own codes.
const LIST: &str = "x-problems";

/// The media type of every refusal.
const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was refused: RFC 9457. A code may have members of its own besides.
#[derive(Debug, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDetails {
    /// `/problems/` and the code.
    #[schema(rename = "type")]
    pub kind: String,
    /// The code in words, the same for every request.
    pub title: String,
    /// The status of the response.
    pub status: u16,
    /// What it is in this very case.
    pub detail: String,
    /// What a program goes by.
    pub code: Code,
    /// Whether the same request may succeed later, with nothing else done about it.
    pub retryable: bool,
    /// The trace that the request belongs to, 32 hexadecimal digits; not where it was refused before any
    /// route saw it.
    #[schema(nullable = false)]
    pub trace_id: Option<String>,
    /// The fields that are wrong, each by its JSON pointer.
    #[schema(nullable = false)]
    pub errors: Option<Vec<FieldError>>,
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        one_of(Self::ALL).into()
    }
}

impl ToSchema for Code {}

fn one_of(codes: &[Code]) -> ObjectBuilder {
    let words = codes.iter().map(|code| code.entry().code);
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some(words))
}

/// Puts in the answers that are refusals.
pub(super) struct Refusals;

impl Modify for Refusals {
    fn modify(&self, document: &mut OpenApi) {
        for (path, item) in &mut document.paths.paths {
            for (changes, operation) in operations(item) {
                let codes = codes(path, changes, operation);
                add(operation, &codes);
            }
        }
        if let Some(components) = &mut document.components {
            for code in Code::ALL {
                let entry = code.entry();
                let example = Problem::new(*code, entry.title.to_lowercase()).to_json();
                let example = ExampleBuilder::new().summary(entry.title).value(Some(example));
                components.examples.insert(entry.code.into(), example.build().into());
            }
        }
    }
}

/// Everything that an operation may be refused for.
fn codes(path: &str, changes: bool, operation: &mut Operation) -> Vec<Code> {
    let own = operation.extensions.as_mut().and_then(|extensions| extensions.remove(LIST));
    let own: BTreeSet<_> = own.as_ref().map(words).unwrap_or_default();
    let is_own = |code: Code| own.contains(code.entry().code);
    let is_ours = path.starts_with("/api/");
    let has_key = operation.security.is_some();
    let has_body = operation.request_body.is_some();
    let has_parameters = operation.parameters.as_ref().is_some_and(|list| !list.is_empty());
    let applies = |code: Code| match code {
        Code::Unauthorized | Code::Forbidden => has_key,
        Code::ExpiredTicket => has_key && !changes,
        Code::CrossSite => changes,
        Code::WrongHost | Code::TooManyRequests | Code::TooManyConnections => true,
        Code::Internal => is_ours,
        Code::InvalidParameter => has_parameters,
        Code::InvalidBody | Code::BodyTooLarge | Code::RequestTimeout => has_body,
        _ => false,
    };
    Code::ALL.iter().copied().filter(|code| is_own(*code) || applies(*code)).collect()
}

/// The words of a list, in which lists may stand.
fn words(list: &Value) -> BTreeSet<&str> {
    match list {
        Value::String(word) => BTreeSet::from([word.as_str()]),
        Value::Array(list) => list.iter().flat_map(words).collect(),
        _ => BTreeSet::new(),
    }
}

/// One response a status, with the codes that it may have.
fn add(operation: &mut Operation, codes: &[Code]) {
    let mut by_status = BTreeMap::<_, Vec<Code>>::new();
    for code in codes {
        by_status.entry(code.entry().status).or_default().push(*code);
    }
    for (status, codes) in by_status {
        let titles: Vec<_> = codes.iter().map(|code| code.entry().title).collect();
        let only = ObjectBuilder::new().property("code", one_of(&codes));
        let schema = AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(only);
        let examples = codes.iter().map(|code| {
            let name = code.entry().code;
            (name, RefOr::Ref(Ref::new(format!("#/components/examples/{name}"))))
        });
        let content =
            ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build();
        let mut response =
            ResponseBuilder::new().description(titles.join("; ")).content(MEDIA_TYPE, content);
        if codes.iter().any(|code| code.entry().retryable) {
            response = response.header("Retry-After", header("In how many seconds to come again."));
        }
        if status.as_u16() == 401 {
            response = response.header("WWW-Authenticate", header("How a key is to be sent."));
        }
        operation.responses.responses.insert(status.as_str().into(), response.build().into());
    }
}

fn header(description: &str) -> Header {
    let mut header = Header::new(String::schema());
    header.description = Some(description.into());
    header
}

/// The codes of a submit of what models make.
pub(in crate::http) const SUBMIT: [Code; 13] = [
    Code::InvalidJson,
    Code::UnsupportedMediaType,
    Code::InvalidField,
    Code::InvalidParameter,
    Code::UnknownModel,
    Code::ModelRetired,
    Code::InsufficientCredits,
    Code::KeyReused,
    Code::TooManyJobs,
    Code::ProjectFull,
    Code::Unavailable,
    Code::Overloaded,
    Code::Draining,
];
