//! Webhooks as the settings want them.

use std::sync::Arc;

use crate::config::Settings;
use crate::db::Db;
use crate::http::deliveries;
use crate::outward::Outward;
use crate::queue::Queue;
use crate::webhook::{self, Webhooks};

use super::Error;
use super::parts::public_url;

/// Sets the webhooks up; nothing where there is no secret to sign them with. From here on the
/// database knows who is told of every job.
///
/// # Errors
/// [`Error::Webhooks`] when the receiver of all is not one that webhooks go to.
pub(super) async fn connect(
    settings: &Settings,
    queue: &Queue,
    outward: &Arc<Outward>,
) -> Result<Option<Webhooks>, Error> {
    let webhooks = settings.webhook_secret.clone().map(|signer| {
        let options = webhook::Options {
            may_be_private: settings.webhook_allow_private,
            retention: settings.retention_database,
            ..webhook::Options::new(signer)
        };
        let words = Arc::new(deliveries::Words { public_url: public_url(settings) });
        let store = queue.store().clone();
        Webhooks::new(store, Arc::clone(outward), words, queue.over(), options)
    });
    let url = settings.webhook_url.as_deref();
    let url = url.map(|url| checked(url, webhooks.as_ref())).transpose()?;
    webhook::tell_of_all(queue.store(), url).await?;
    Ok(webhooks)
}

fn checked(url: &str, webhooks: Option<&Webhooks>) -> Result<String, Error> {
    let failed = |reason| Error::Webhooks { url: url.to_owned(), reason };
    let webhooks = webhooks.ok_or_else(|| {
        failed(
            "set TAILWATER_WEBHOOK_SECRET to 'whsec_' and 24 to 64 bytes in base64, to sign them"
                .into(),
        )
    })?;
    let hint = "webhooks go to https addresses on the internet";
    webhooks.check(url).map_err(|refused| failed(format!("the address {refused}; {hint}")))
}

/// What a person should know.
pub(super) async fn notes(settings: &Settings, db: &Db) -> Vec<String> {
    let mut notes = Vec::new();
    for (is_on, what) in [
        (settings.webhook_allow_private, "webhook_allow_private"),
        (settings.upload_allow_private, "upload_allow_private"),
    ] {
        if is_on {
            tracing::warn!(setting = what, "requests go to private addresses: not for production");
            notes.push(format!(
                "{what} is on: whoever submits can have this server ask its own network; \
                 for development and tests only"
            ));
        }
    }
    if settings.webhook_secret.is_none()
        && let Ok(waiting @ 1..) = db.pending_webhooks().await
    {
        notes.push(format!("{waiting} webhooks wait for TAILWATER_WEBHOOK_SECRET"));
    }
    notes
}
