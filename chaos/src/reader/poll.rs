//! Reading by pages of events: the same events in the same order, without a stream.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::record::{Mark, Scope, Sent, fingerprint};

use super::message::{GapData, Message};
use super::{Left, Reader, SILENCE};

/// For how long the server may hold a page, in seconds.
const WAIT: u64 = 5;

/// A page of events.
#[derive(Debug, Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    events: Vec<PageEvent<'a>>,
    next: u64,
    ended: bool,
    gap: Option<GapData>,
}

/// One event of a page.
#[derive(Debug, Deserialize)]
struct PageEvent<'a> {
    id: u64,
    #[serde(rename = "type")]
    name: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Reader {
    /// Pages until the job is over, or one does not come.
    pub(super) async fn poll(&mut self) -> Left {
        let Scope::Job(job) = self.history.scope.clone() else { return Left::Over };
        let url = self.world.url_by(self.front, &format!("/api/jobs/{job}/events"));
        loop {
            if self.orders.has_changed().unwrap_or(false) {
                self.obey().await;
            }
            let sent = self.sent();
            let wait = if self.random.bool() { WAIT } else { 0 };
            let limit = self.random.u32(1..=1000).to_string();
            let query = [("after", sent.text()), ("wait", wait.to_string()), ("limit", limit)];
            let request = self.world.http.get(&url).query(&query);
            let patience = SILENCE * 3 + std::time::Duration::from_secs(WAIT);
            let answer = request.timeout(patience).send().await;
            let (status, text) = match answer {
                Ok(response) if self.world.is_away(response.status()) => (0, Ok(String::new())),
                Ok(response) => (response.status().as_u16(), response.text().await),
                Err(_) => (0, Ok(String::new())),
            };
            match (status, text) {
                (200, Ok(text)) => {
                    if self.take_page(&job, &text, sent) == Left::Over {
                        return Left::Over;
                    }
                    if wait == 0 {
                        let world = std::sync::Arc::clone(&self.world);
                        world.pause(&mut self.random).await;
                    }
                }
                (404, _) => {
                    self.history.mark(Mark::Vanished);
                    return Left::Over;
                }
                (0 | 200, _) => {
                    self.other = Some(sent).filter(|sent| !matches!(sent, Sent::Own(_)));
                    return Left::Broken;
                }
                (status, text) => {
                    let name = &self.history.name;
                    self.world.violate(format!("{name} was answered {status} on a page: {text:?}"));
                    return Left::Broken;
                }
            }
        }
    }

    fn take_page(&mut self, job: &str, text: &str, sent: Sent) -> Left {
        let page: Page<'_> = match serde_json::from_str(text) {
            Ok(page) => page,
            Err(error) => {
                let name = &self.history.name;
                self.world.violate(format!("{name}: a page that cannot be read: {error}"));
                return Left::Broken;
            }
        };
        // Page after page from its own cursor is one reading.
        if !matches!(sent, Sent::Own(_)) || self.history.marks.is_empty() {
            self.open(sent);
        }
        if let Some(gap) = page.gap {
            self.keep(gap.into());
            self.keep(Message::Snapshot { id: Some(gap.to) });
        }
        for event in page.events {
            let content = fingerprint(job, event.name, event.data.get());
            self.keep(Message::Event { id: event.id, name: event.name.to_owned(), content });
        }
        if page.next < self.cursor {
            let name = &self.history.name;
            self.world.violate(format!("{name}: 'next' is {} behind {}", page.next, self.cursor));
        }
        if page.ended {
            self.history.mark(Mark::Over);
            return Left::Over;
        }
        Left::Broken
    }
}
