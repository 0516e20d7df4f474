//! Reading as a native `EventSource` does: it comes back with the last id that it has, until 204.

use reqwest::Response;
use tailwater::event::parse::{Item, Parser};

use crate::record::{Mark, Scope, Sent};

use super::message::Message;
use super::{Left, Reader, SILENCE};

/// The largest event that is read, in bytes: a snapshot of many jobs is large.
const LARGEST: usize = 64 << 20;

impl Reader {
    /// One connection.
    pub(super) async fn stream(&mut self) -> Left {
        let sent = self.sent();
        let mut request = self.world.http.get(self.world.url_by(self.front, &self.path()));
        if sent != Sent::Own(0) {
            request = request.header("last-event-id", sent.text());
        }
        let opened = tokio::time::timeout(SILENCE * 3, request.send()).await;
        let Ok(Ok(response)) = opened else {
            // It never got there: it tries again with the same.
            self.other = Some(sent).filter(|sent| !matches!(sent, Sent::Own(_)));
            return Left::Broken;
        };
        match response.status().as_u16() {
            200 => {
                self.open(sent);
                self.take(response).await
            }
            204 => {
                self.open(sent);
                self.history.mark(Mark::Over);
                Left::Over
            }
            404 => {
                self.history.mark(Mark::Vanished);
                Left::Over
            }
            status => {
                let name = &self.history.name;
                self.world.violate(format!("{name} was answered {status} on its stream"));
                Left::Broken
            }
        }
    }

    fn path(&self) -> String {
        match &self.history.scope {
            Scope::Job(job) => format!("/api/jobs/{job}/stream"),
            Scope::Jobs(jobs) => {
                let jobs: Vec<_> = jobs.iter().map(|job| format!("job={job}")).collect();
                format!("/api/stream?{}", jobs.join("&"))
            }
            Scope::Project(project) => {
                format!("/api/projects/{project}/stream?include=content,log")
            }
        }
    }

    async fn take(&mut self, mut response: Response) -> Left {
        let mut parser = Parser::new(LARGEST);
        let mut last_id = String::new();
        loop {
            let chunk = tokio::select! {
                chunk = tokio::time::timeout(SILENCE, response.chunk()) => chunk,
                changed = self.orders.changed() => {
                    if changed.is_ok() && self.obey().await {
                        return Left::Broken;
                    }
                    continue;
                }
            };
            // A cut connection is an end like any other; what was whole was taken.
            let Ok(Ok(Some(bytes))) = chunk else { return Left::Broken };
            parser.push(&bytes);
            while let Some(item) = parser.poll() {
                let message = match item {
                    Ok(Item::Message(message)) => message,
                    Ok(Item::Comment(_) | Item::Retry(_)) => continue,
                    Err(error) => {
                        self.world.violate(format!("{}: {error}", self.history.name));
                        return Left::Broken;
                    }
                };
                match Message::read(&message, &last_id, &self.history.scope) {
                    Ok(read) => self.keep(read),
                    Err(what) => self.world.violate(format!("{}: {what}", self.history.name)),
                }
                last_id = message.last_event_id;
            }
        }
    }
}
