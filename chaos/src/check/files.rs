//! Every file that was told of, to the byte.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tailwater::artifact::wav::Wav;

use crate::work::Record;
use crate::world::World;

use super::truth::Job;

/// Fetches every file of a job, and compares it with what its row and its events say; gives how many
/// there were.
pub(super) async fn check(world: &World, record: &Record, job: &Job) -> usize {
    let none = Vec::new();
    let artifacts = job.view["artifacts"].as_array().unwrap_or(&none);
    for artifact in artifacts {
        if let Err(wrong) = check_one(world, job, artifact).await {
            world.violate(format!("{} ({}): {wrong}: {artifact}", record.job, record.name));
        }
    }
    artifacts.len()
}

async fn check_one(world: &World, job: &Job, artifact: &Value) -> Result<(), String> {
    let url = artifact["url"].as_str().ok_or("a file without a URL")?;
    let response = world.http.get(world.direct(url)).send().await;
    let response = response.map_err(|error| format!("a file that does not come: {error}"))?;
    let status = response.status();
    let tag = response.headers().get("etag").and_then(|tag| tag.to_str().ok());
    let tag = tag.unwrap_or_default().trim_matches('"').to_owned();
    let file =
        response.bytes().await.map_err(|error| format!("a file that breaks off: {error}"))?;
    if status != 200 {
        return Err(format!("a file is answered with {status}"));
    }
    if artifact["bytes"].as_u64() != Some(file.len() as u64) {
        return Err(format!("a file has {} bytes", file.len()));
    }
    // The tag of a file is the checksum that its row has.
    let sum = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if sum != tag {
        return Err(format!("a file's checksum is {sum}, its row says '{tag}'"));
    }
    match artifact["kind"].as_str().unwrap_or_default() {
        "markdown" if job.has_completed() && file != job.text.as_bytes() => {
            Err("the post is not the text that was streamed".to_owned())
        }
        "voice" if Wav::parse(&file).map_or(0, |wav| wav.duration_ms()) == 0 => {
            Err("a narration that does not play".to_owned())
        }
        _ => Ok(()),
    }
}
