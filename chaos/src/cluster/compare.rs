//! Whether all nodes say the same of every job, to the byte.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::failure::Failure;
use crate::world::World;

/// How many events a page has.
const LIMIT: usize = 500;

/// The pages of each job's events, as one node gives them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pages(BTreeMap<String, Vec<String>>);

impl Pages {
    /// Asks a node for all events of these jobs.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn read(world: &World, node: usize, jobs: &[String]) -> Result<Self, Failure> {
        let mut all = BTreeMap::new();
        for job in jobs {
            all.insert(job.clone(), pages(world, node, job).await?);
        }
        Ok(Self(all))
    }

    /// What is not the same here and there, in words.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let differs = |(job, ours): (&String, &Vec<String>)| {
            let theirs = other.0.get(job)?;
            let at =
                (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at))?;
            Some(format!("{job}: {}", difference(ours.get(at), theirs.get(at))))
        };
        self.0.iter().filter_map(differs).collect()
    }
}

async fn pages(world: &World, node: usize, job: &str) -> Result<Vec<String>, Failure> {
    let mut pages = Vec::new();
    let mut after = 0;
    loop {
        let path = format!("/api/jobs/{job}/events?after={after}&limit={LIMIT}");
        let failed = |error| Failure::Server(format!("node {}: {job}: {error}", node + 1));
        let answer = world.http.get(world.direct_to(node, &path)).send().await.map_err(failed)?;
        let text = answer.text().await.map_err(failed)?;
        let page: Value = serde_json::from_str(&text).unwrap_or_default();
        let next = page["next"].as_u64().unwrap_or(after);
        pages.push(text);
        if page["ended"] != false || next == after {
            return Ok(pages);
        }
        after = next;
    }
}

/// Where two pages part.
fn difference(one: Option<&String>, other: Option<&String>) -> String {
    let (one, other) = (one.map_or("no page", |page| page), other.map_or("no page", |page| page));
    let same = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let around = |text: &str| {
        let from = same.saturating_sub(120);
        let bytes = &text.as_bytes()[from.min(text.len())..(same + 160).min(text.len())];
        String::from_utf8_lossy(bytes).into_owned()
    };
    format!("from byte {same} on\n    {}\n    {}", around(one), around(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(texts: &[&str]) -> Pages {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        Pages(BTreeMap::from([("job_1".to_owned(), texts)]))
    }

    #[test]
    fn a_byte_that_differs_is_found() {
        let ours = pages(&["{}", r#"{"id":7}"#]);
        assert_eq!(ours.differences(&pages(&["{}", r#"{"id":7}"#])), Vec::<String>::new());
        let differences = ours.differences(&pages(&["{}", r#"{"id":8}"#]));
        assert!(differences[0].starts_with("job_1: from byte 6"), "{differences:?}");
    }

    #[test]
    fn a_page_that_is_missing_is_found() {
        assert_eq!(pages(&["{}", "{}"]).differences(&pages(&["{}"])).len(), 1);
        assert_eq!(pages(&["{}"]).differences(&pages(&["{}", "{}"])).len(), 1);
    }
}
