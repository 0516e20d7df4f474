//! What was started at providers: once for each job at most.

use std::collections::HashMap;

use serde_json::Value;

use crate::failure::Failure;
use crate::simulator::MEDIA;
use crate::work::name_in;

use super::{Evidence, Findings};

/// Asks every provider what was started there.
///
/// # Errors
/// When one does not say.
pub(super) async fn check(evidence: &Evidence<'_>, findings: &mut Findings) -> Result<(), Failure> {
    let world = evidence.world;
    let mut started: HashMap<String, Vec<String>> = HashMap::new();
    for provider in MEDIA {
        let counted = evidence.simulator.counted(&world.http, provider).await?;
        findings.operations += counted.operations.len();
        if counted.started != counted.operations.len() as u64 {
            let (all, known) = (counted.started, counted.operations.len());
            crate::say::line(&format!("{provider} remembers {known} of {all} pieces of work"));
        }
        for operation in counted.operations {
            match name_of(&operation.input) {
                Some(name) => started.entry(name).or_default().push(operation.id),
                None => world.violate(format!("{provider} was asked for {}", operation.input)),
            }
        }
    }
    let by_name: HashMap<_, _> =
        evidence.records.iter().map(|record| (&*record.name, record)).collect();
    for (name, ids) in started {
        let Some(record) = by_name.get(&*name) else {
            // The submit that was not answered before everything was over.
            continue;
        };
        if ids.len() < 2 {
            continue;
        }
        if record.damages < world.damages() {
            findings.started_again += 1;
        } else {
            world.violate(format!(
                "{} ({name}) was started {} times: {ids:?}",
                record.job,
                ids.len()
            ));
        }
    }
    Ok(())
}

/// The name of the job that an order is for.
fn name_of(input: &Value) -> Option<String> {
    name_in(&input.to_string()).map(str::to_owned)
}
