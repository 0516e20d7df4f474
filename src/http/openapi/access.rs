//! Who may call an operation: the ways to say who one is, from the scope that it needs.

use utoipa::Modify;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, OpenApi};

use crate::http::guard::{SESSION, TICKET};

use super::operations;

/// The name of the scheme that handlers name: a key, with the scope that is needed.
const KEY: &str = "key";

/// Puts in the schemes, and beside a key what else opens an operation.
pub(super) struct Callers;

impl Modify for Callers {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Components::default);
        components.add_security_scheme(KEY, SecurityScheme::Http(key()));
        let session = "A browser's session, opened with a key by POST /api/session. Over TLS the \
            cookie's name begins with __Host-.";
        let session = ApiKey::Cookie(ApiKeyValue::with_description(SESSION, session));
        components.add_security_scheme("session", SecurityScheme::ApiKey(session));
        let ticket = "What a page can carry in a URL: opens one job or one project, for looking.";
        let ticket = ApiKey::Query(ApiKeyValue::with_description(TICKET, ticket));
        components.add_security_scheme(TICKET, SecurityScheme::ApiKey(ticket));
        for item in document.paths.paths.values_mut() {
            for (changes, operation) in operations(item) {
                let Some(security) = &mut operation.security else { continue };
                let with_key = |scope| SecurityRequirement::new(KEY, [scope]);
                let scope = ["submit", "read", "publish", "admin"]
                    .into_iter()
                    .find(|scope| security.contains(&with_key(*scope)));
                let scopes = || scope.into_iter().map(str::to_owned);
                security.push(SecurityRequirement::new("session", scopes()));
                if !changes && scope.is_none_or(|scope| scope == "read") {
                    security.push(SecurityRequirement::new(TICKET, scopes()));
                }
            }
        }
    }
}

fn key() -> utoipa::openapi::security::Http {
    let description = "A key, as in 'Authorization: Bearer tw_…'. The list says which scope it needs; \
        'admin' has them all. A ticket may stand here too.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    scheme.description(Some(description)).build()
}
