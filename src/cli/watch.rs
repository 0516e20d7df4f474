//! `tailwater watch`.

use std::pin::pin;

use tokio::signal;

use crate::client::{Client, Target, Watch, WatchEvent};
use crate::job::Status;

use super::screen::Screen;
use super::{Failure, args, client, out, save};

/// What a shell reports for a process that nobody read from any more.
const BROKEN_PIPE: u8 = 141;

/// What a shell reports for a process that was interrupted.
const INTERRUPTED: u8 = 130;

pub(super) async fn run(args: args::Watch) -> Result<u8, Failure> {
    let target = target(&args.target)?;
    if let Some(output) = &args.output {
        save::check(output)?;
    }
    let server = target.server().unwrap_or(&args.server.address);
    let client = client(server)?;
    let watch = match &target {
        Target::Stream { url, .. } => client.watch_url(url, args.after),
        Target::Id(job) | Target::Link { job, .. } => client.watch(job, args.after),
    };
    let code = follow(&client, watch, target.job(), &mut Screen::new(server, args.json)).await?;
    if let Some(output) = args.output.filter(|_| code == 0) {
        save::files(&client, target.job(), &output).await?;
    }
    Ok(code)
}

/// The job that somebody named.
pub(super) fn target(text: &str) -> Result<Target, Failure> {
    Target::parse(text).ok_or_else(|| {
        let text = text.escape_debug();
        Failure::bad_input(format!("'{text}' names no job; an id looks like job_06b2…"))
    })
}

/// Shows a job until its end; the exit code says how it ended.
pub(super) async fn follow(
    client: &Client,
    mut watch: Watch,
    job: &str,
    screen: &mut Screen,
) -> Result<u8, Failure> {
    let mut end = None;
    // One listener for the whole watch: a signal that comes while an event is shown is not lost.
    let mut interrupted = pin!(signal::ctrl_c());
    loop {
        let event = tokio::select! {
            event = watch.next() => event,
            _ = &mut interrupted => {
                screen.finish().ok();
                out::note(&format!("the job goes on; `tailwater watch {job}` returns to it"));
                return Ok(INTERRUPTED);
            }
        };
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(error) => {
                screen.finish().ok();
                return Err(error.into());
            }
        };
        if let WatchEvent::Event(event) = &event
            && event.is_terminal()
        {
            end = Some(event.name.clone());
        }
        if screen.show(&event).is_err() {
            return Ok(BROKEN_PIPE);
        }
    }
    screen.finish().ok();
    let end = match end {
        Some(end) => end,
        None => nothing_more(client, &watch, job).await?,
    };
    Ok(u8::from(end != Status::Completed.as_str()))
}

/// The status of a job of which nothing stands behind the cursor.
async fn nothing_more(client: &Client, watch: &Watch, job: &str) -> Result<String, Failure> {
    let status = client.job(job).await?.status;
    out::note(&format!("the job is {status}; nothing stands behind event {}", watch.cursor()));
    Ok(status)
}
