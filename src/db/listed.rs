//! A job as lists have it.

use serde_json::{Map, Value};

use crate::job::Job;

use super::jobs;
use super::sql::Row;

/// The longest input that a list looks into, in bytes of its JSON. Parsed, JSON takes up to thirty times
/// the memory, and a list has hundreds.
const INPUT_LIMIT: usize = 256 << 10;

/// The longest result that is in a list, in bytes of its JSON; whoever wants a longer one asks for the
/// job.
pub(crate) const RESULT_LIMIT: usize = 16 << 10;

/// A job as a list has it: of its input the beginning.
pub(super) fn decode(row: &Row) -> Result<Job, sqlx::Error> {
    let job = jobs::decode_within(row, INPUT_LIMIT, RESULT_LIMIT)?;
    Ok(Job { input: beginning(&job.input), ..job })
}

/// The beginning of an input: of a text its first 200 characters, of what nests nothing.
fn beginning(input: &Value) -> Value {
    let Value::Object(fields) = input else { return Value::Null };
    let short = fields.iter().filter(|(name, _)| name.len() <= 64).map(|(name, value)| {
        let value = match value {
            Value::String(text) => text.chars().take(200).collect::<String>().into(),
            Value::Object(_) | Value::Array(_) => Value::Null,
            plain => plain.clone(),
        };
        (name.clone(), value)
    });
    short.take(20).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::jobs::Filter;
    use crate::db::rig::Rig;
    use crate::event::payload::End;
    use serde_json::json;

    #[test]
    fn of_an_input_the_beginning_is_listed() {
        let input =
            json!({ "topic": "é".repeat(300), "words": 60, "messages": [1], "a".repeat(65): 1 });
        let listed = json!({ "topic": "é".repeat(200), "words": 60, "messages": null });
        assert_eq!(beginning(&input), listed);
        let many: Map<_, _> = (0..30).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(beginning(&many.into()).as_object().map(Map::len), Some(20));
        assert_eq!(beginning(&json!([1])), Value::Null);
    }

    #[tokio::test]
    async fn what_is_long_is_in_the_job_and_not_in_lists() {
        let mut rig = Rig::with(0).await;
        let job = rig.submit(0).await;
        let result = json!({ "text": "x".repeat(RESULT_LIMIT) });
        rig.finish(&job, End::Completed(result.clone()), None).await;
        let long = format!(r#"{{"topic":"{}"}}"#, "x".repeat(INPUT_LIMIT));
        rig.outside(&format!("update job set input = '{long}'")).await.unwrap();
        let whole = rig.db.job(&job).await.unwrap().unwrap();
        assert_eq!((whole.input.to_string(), whole.end), (long, Some(End::Completed(result))));
        let filter = Filter { limit: 10, ..Filter::default() };
        let [listed] = <[Job; 1]>::try_from(rig.db.jobs(&filter).await.unwrap()).unwrap();
        assert_eq!((listed.input, listed.end), (Value::Null, Some(End::Completed(json!({})))));
    }

    #[tokio::test]
    async fn what_is_searched_for_is_found_and_its_signs_are_no_patterns() {
        let mut rig = Rig::with(0).await;
        let (first, second) = (rig.submit(0).await, rig.submit(0).await);
        for (job, topic) in [(&first, "100 % Sea_salt Übung"), (&second, "1000 seasalts")] {
            let update =
                format!(r#"update job set input = '{{"topic":"{topic}"}}' where id = '{job}'"#);
            rig.outside(&update).await.unwrap();
        }
        for (text, found) in [
            ("sea_SALT", vec![&first]),
            ("Übung", vec![&first]),
            ("FAL", vec![&second, &first]),
            ("100 %", vec![&first]),
            ("SEA", vec![&second, &first]),
            (second.as_str(), vec![&second]),
            ("nothing", vec![]),
        ] {
            let contains = Some(text.to_owned());
            let filter = Filter { contains, limit: 10, ..Filter::default() };
            let jobs = rig.db.jobs(&filter).await.unwrap();
            assert_eq!(jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), found, "{text}");
        }
    }
}
