//! A prediction, as every answer and every webhook shows it.

use std::iter;

use serde_json::{Value, json};

use crate::simulator::media::desk::Desk;
use crate::simulator::media::order::Medium;
use crate::simulator::media::rfc3339::rfc3339;
use crate::simulator::media::task::{End, Phase, Task};

/// The steps of the progress bar in the logs, and the width of the bar.
const STEPS: u32 = 50;
const WIDTH: usize = 10;

/// An id as Replicate makes them: 26 lower-case letters and digits.
pub(super) fn id() -> String {
    const SYMBOLS: &[u8] = b"abcdefghjkmnpqrstvwxyz0123456789";
    iter::repeat_with(|| char::from(SYMBOLS[fastrand::usize(..SYMBOLS.len())])).take(26).collect()
}

/// The prediction as it is now.
pub(super) fn show(desk: &Desk, task: &Task) -> Value {
    let phase = task.phase();
    let times = task.times();
    let (id, origin) = (task.id(), &desk.origin);
    let status = match &phase {
        Phase::Throttled | Phase::Queued => "starting",
        Phase::Running(_) => "processing",
        Phase::Over(End::Succeeded) => "succeeded",
        Phase::Over(End::Failed(_) | End::Moderated) => "failed",
        Phase::Over(End::Canceled) => "canceled",
        // A deadline, or the provider itself: before the start and after it have two names.
        Phase::Over(End::Aborted) if times.running.is_none() => "aborted",
        Phase::Over(End::Aborted) => "canceled",
    };
    let mut prediction = json!({
        "id": id,
        "model": task.order.model,
        "version": task.order.details["version"],
        "input": task.order.input,
        "logs": logs(&phase),
        "output": output(desk, task, &phase),
        "data_removed": false,
        "error": error(&phase),
        "source": "api",
        "status": status,
        "created_at": rfc3339(times.created),
        "urls": {
            "cancel": format!("{origin}/v1/predictions/{id}/cancel"),
            "get": format!("{origin}/v1/predictions/{id}"),
            "web": format!("https://replicate.com/p/{id}"),
        },
    });
    if let Some(webhook) = &task.order.callback {
        prediction["webhook"] = json!(webhook);
        let filter = &task.order.details["webhook_events_filter"];
        if !filter.is_null() {
            prediction["webhook_events_filter"] = filter.clone();
        }
    }
    if let Some(deadline) = task.order.deadline {
        let deadline = i64::try_from(desk.scaled(deadline).as_millis()).unwrap_or(i64::MAX);
        prediction["deadline"] = json!(rfc3339(times.created.saturating_add(deadline)));
    }
    if let Some(running) = times.running {
        prediction["started_at"] = json!(rfc3339(running));
    }
    if let Some(over) = times.over {
        prediction["completed_at"] = json!(rfc3339(over));
        prediction["metrics"] =
            json!({ "predict_time": times.run_seconds, "total_time": times.total_seconds });
    }
    prediction
}

/// The address of the file; models of pictures give a list.
fn output(desk: &Desk, task: &Task, phase: &Phase) -> Value {
    match phase {
        Phase::Over(End::Succeeded) => {
            let url = json!(desk.output(task));
            match task.order.medium {
                Medium::Mp4 | Medium::Wav => url,
                Medium::Jpeg | Medium::Png | Medium::Webp => json!([url]),
            }
        }
        Phase::Throttled | Phase::Queued | Phase::Running(_) | Phase::Over(_) => Value::Null,
    }
}

fn error(phase: &Phase) -> Value {
    match phase {
        Phase::Over(End::Failed(Some(fault))) => json!(fault),
        Phase::Over(End::Failed(None)) => json!("Prediction failed (simulated) (E1000)"),
        Phase::Over(End::Moderated) => json!(
            "The input or output was flagged as sensitive. Please try again with different inputs. \
             (E005)"
        ),
        Phase::Over(End::Succeeded | End::Canceled | End::Aborted)
        | Phase::Throttled
        | Phase::Queued
        | Phase::Running(_) => Value::Null,
    }
}

/// What the model printed: a line of tqdm's for each tenth. A canceled prediction has none.
fn logs(phase: &Phase) -> Value {
    let fraction = match phase {
        Phase::Throttled | Phase::Queued => return json!(""),
        Phase::Running(fraction) => *fraction,
        Phase::Over(End::Canceled | End::Aborted) => return Value::Null,
        Phase::Over(End::Failed(_) | End::Moderated) => 0.0,
        Phase::Over(End::Succeeded) => 1.0,
    };
    let done = (fraction * f64::from(STEPS)) as u32;
    let lines: String = (0..=done).filter(|step| step % 5 == 0 || *step == done).map(bar).collect();
    json!(format!("Using seed: 42\n{lines}"))
}

/// ` 24%|██▍       | 12/50 [00:12<00:38,  1.00s/it]`
fn bar(step: u32) -> String {
    let full = (step as usize * WIDTH) / STEPS as usize;
    let bar = "█".repeat(full) + &" ".repeat(WIDTH - full);
    let (percent, left) = (step * 100 / STEPS, STEPS - step);
    format!("{percent:3}%|{bar}| {step}/{STEPS} [00:{step:02}<00:{left:02},  1.00s/it]\n")
}
