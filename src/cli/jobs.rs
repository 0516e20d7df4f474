//! `tailwater jobs` and `tailwater cancel`.

use serde_json::json;

use crate::client::{JobFilter, JobPage, JobView};
use crate::event::now_ms;
use crate::job::Status;

use super::{Failure, args, client, out, watch};

/// How many characters of what a job is about a line shows.
const ABOUT: usize = 40;

/// Which inputs say what a job is about.
const ABOUT_INPUTS: [&str; 4] = ["topic", "prompt", "promptText", "text"];

pub(super) async fn list(args: args::Jobs) -> Result<u8, Failure> {
    let filter = JobFilter {
        status: args.status,
        kind: args.kind,
        project_id: args.project,
        limit: Some(args.limit),
        before: None,
    };
    let page = client(&args.server.address)?.jobs(&filter).await?;
    if page.jobs.is_empty() && !args.json {
        out::note("no job fits");
    }
    let text = if args.json { out::json(&json!(page)) } else { table(&page, now_ms()) };
    out::print(&text).ok();
    Ok(0)
}

pub(super) async fn cancel(args: args::Cancel) -> Result<u8, Failure> {
    let target = watch::target(&args.target)?;
    let client = client(target.server().unwrap_or(&args.server.address))?;
    client.cancel(target.job(), args.reason.as_deref()).await?;
    out::note(&format!("{} is being canceled", target.job()));
    Ok(0)
}

/// The jobs as lines under a heading.
fn table(page: &JobPage, now_ms: i64) -> String {
    let heading = ["JOB", "KIND", "STATUS", "DONE", "AGE", "STAGE", "ABOUT"];
    let rows = page.jobs.iter().map(|job| row(job, now_ms));
    out::table(heading, rows)
}

fn row(job: &JobView, now_ms: i64) -> [String; 7] {
    let ended = job.status.parse().is_ok_and(Status::is_terminal);
    let stage = job.progress.message.as_deref().unwrap_or(&job.progress.stage);
    [
        job.id.clone(),
        job.kind.clone(),
        job.status.clone(),
        format!("{} %", job.progress.percent),
        age(now_ms.saturating_sub(job.created_at)),
        if ended { String::new() } else { on_one_line(stage) },
        about(job),
    ]
}

/// The beginning of what the job was asked for.
fn about(job: &JobView) -> String {
    let input = job.rest.get("input");
    let said = ABOUT_INPUTS.into_iter().find_map(|name| input?.get(name)?.as_str());
    let text = said.or_else(|| job.rest.get("model")?.as_str());
    let text = on_one_line(text.unwrap_or_default());
    match text.char_indices().nth(ABOUT) {
        Some((cut, _)) => format!("{}…", text[..cut].trim_end()),
        None => text,
    }
}

pub(super) fn on_one_line(text: &str) -> String {
    out::harmless(text).replace(['\n', '\t'], " ")
}

/// A span in its largest unit: what a person wants to know of an age.
pub(super) fn age(span_ms: i64) -> String {
    let seconds = span_ms.max(0) / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} m", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_lines_under_a_heading() {
        let job = |id: &str, stage: &str| {
            json!({
                "id": id, "kind": "blog", "status": "running", "created_at": 0, "more": 1,
                "progress": { "percent": 7, "stage": stage },
                "input": { "topic": "Tides\nand so on" },
            })
        };
        let jobs = [job("job_1", "writing"), job("job_22", "a\u{1b}b\nc")];
        let page = serde_json::from_value(json!({ "jobs": jobs, "next": "job_22" })).unwrap();
        assert_eq!(
            table(&page, 90_000),
            "JOB     KIND  STATUS   DONE  AGE  STAGE    ABOUT\n\
             job_1   blog  running  7 %   1 m  writing  Tides and so on\n\
             job_22  blog  running  7 %   1 m  a\u{fffd}b c    Tides and so on\n"
        );
    }

    #[test]
    fn what_a_model_makes_is_told_by_its_prompt_or_else_by_the_model() {
        let about = |input: serde_json::Value| {
            let job = json!({
                "id": "job_1", "kind": "video", "status": "running", "model": "act_two", "input": input,
            });
            about(&serde_json::from_value(job).unwrap())
        };
        assert_eq!(about(json!({ "promptText": "a kite" })), "a kite");
        assert_eq!(about(json!({ "reference": "https://a/b" })), "act_two");
    }

    #[test]
    fn no_job_is_no_line() {
        assert_eq!(table(&JobPage { jobs: Vec::new(), next: None }, 0), "");
    }

    #[test]
    fn an_age_has_one_unit_and_is_never_negative() {
        let ages = [-5, 59_999, 60_000, 7_200_000, 172_800_000].map(age);
        assert_eq!(ages, ["0 s", "59 s", "1 m", "2 h", "2 d"]);
    }
}
