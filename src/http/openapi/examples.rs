//! Examples of answers: the server's real ones, which the clients' types are held to.

use serde_json::Value;
use utoipa::Modify;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Components, Content, OpenApi, Ref, RefOr};

use super::operations;

macro_rules! golden {
    ($($schema:literal: $($name:literal),+;)+) => {
        &[$($((
            $schema,
            $name,
            include_str!(concat!("../../../client/golden/", $name, ".json")),
        ),)+)+]
    };
}

/// For each schema its examples, by the names of their files.
const GOLDEN: &[(&str, &str, &str)] = golden! {
    "Submitted": "submit.blog", "submit.deduplicated", "submit.media";
    "Job": "job.pending", "job.running", "job.completed", "job.failed", "job.canceled";
    "JobPage": "job_page.more", "job_page.last";
    "CancelAnswer": "cancel";
    "EventPage": "events_page.first", "events_page.gap";
    "File": "file.pending", "file.completed", "file.failed";
    "Project": "project.active", "project.completed";
    "Model": "model.to_be_retired";
    "Credits": "credits.held", "credits.charged";
    "LedgerEntry": "ledger_entry.grant";
    "LedgerPage": "ledger_page.charged";
    "Info": "info";
    "Upload": "upload.picture", "upload.sound";
};

/// Puts the examples beside the schemas of answers.
pub(super) struct Golden;

impl Modify for Golden {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Components::default);
        for (_, name, text) in GOLDEN {
            let value: Value = serde_json::from_str(text).expect("a golden answer is JSON");
            let example = ExampleBuilder::new().value(Some(value)).build();
            components.examples.insert((*name).into(), example.into());
        }
        for item in document.paths.paths.values_mut() {
            for (_, operation) in operations(item) {
                for response in operation.responses.responses.values_mut() {
                    let RefOr::T(response) = response else { continue };
                    response.content.values_mut().for_each(illustrate);
                }
            }
        }
    }
}

fn illustrate(content: &mut RefOr<Content>) {
    let RefOr::T(content) = content else { return };
    let Some(name) = content.schema.as_ref().and_then(name) else { return };
    for (_, example, _) in GOLDEN.iter().filter(|(schema, ..)| *schema == name) {
        let place = Ref::new(format!("#/components/examples/{example}"));
        content.examples.insert((*example).into(), RefOr::Ref(place));
    }
}

fn name(schema: &RefOr<Schema>) -> Option<String> {
    let RefOr::Ref(schema) = schema else { return None };
    schema.ref_location.strip_prefix("#/components/schemas/").map(str::to_owned)
}
