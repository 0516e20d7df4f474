//! An external worker that counts its events, and sends again what was not durable.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::world::{Orders, World};

/// How many lines one request has at most.
const LINES: u64 = 200;

/// A worker of one job.
#[derive(Debug)]
pub(super) struct Producer<'a> {
    pub(super) world: &'a World,
    pub(super) job: &'a str,
    /// How many events of its own it has; its end comes after them.
    pub(super) events: u64,
    /// How much is in an event beside its number, in bytes.
    pub(super) padding: usize,
    pub(super) random: fastrand::Rng,
}

/// How far a worker is.
#[derive(Debug)]
struct Place {
    /// The last of its events that is known to be committed.
    durable: u64,
    /// The one that it sends next.
    next: u64,
    /// How often logs had been damaged when that was known.
    damages: usize,
}

impl Producer<'_> {
    /// Sends all events, and the end, through everything that happens.
    pub(super) async fn produce(mut self) {
        let orders = self.world.orders.subscribe();
        let mut obeyed = orders.borrow().resend.0;
        let mut place = Place { durable: 0, next: 1, damages: self.world.damages() };
        while place.durable <= self.events {
            if self.must_send_again(&orders, &mut obeyed) {
                place.next = 1;
            }
            let last = (place.next + self.random.u64(0..LINES)).min(self.events + 1);
            if !self.send(&mut place, last).await {
                return;
            }
        }
    }

    fn must_send_again(&mut self, orders: &watch::Receiver<Orders>, obeyed: &mut u64) -> bool {
        let (number, percent) = orders.borrow().resend;
        let is_new = std::mem::replace(obeyed, number) < number;
        is_new && self.random.u8(0..100) < percent
    }

    /// Sends the events from the next one to `last`; false when there is nothing more to be done.
    async fn send(&mut self, place: &mut Place, last: u64) -> bool {
        let url = self.world.url(&format!("/api/jobs/{}/events", self.job));
        // The end is told like everything else, until it is known to have arrived.
        let wait = last > self.events || self.random.u8(0..4) == 0;
        let body: String = (place.next..=last).map(|seq| self.line(seq)).collect();
        let request = self.world.http.post(url).query(&[("durable", wait)]).body(body);
        let before = self.world.damages();
        let answer = World::once(request).await;
        match answer.filter(|(status, _)| !self.world.is_away(*status)) {
            Some((StatusCode::OK, answer)) if answer.is_object() => {
                if answer["appended"] != last + 1 - place.next {
                    self.wrong(&format!("{} to {last} appended: {answer}", place.next));
                }
                if answer["durable"] == true && last > place.durable {
                    (place.durable, place.damages) = (last, before);
                }
                place.next = last + 1;
                true
            }
            Some((StatusCode::CONFLICT, problem)) if problem["code"] == "sequence_gap" => {
                self.go_back(place, &problem)
            }
            // Its end has arrived, or somebody else ended it.
            Some((StatusCode::CONFLICT, problem)) if problem["code"] == "job_ended" => false,
            Some((StatusCode::NOT_FOUND, problem)) => {
                if self.world.damages() == 0 {
                    self.wrong(&format!("pushed to: {problem}"));
                }
                false
            }
            None => {
                self.world.pause(&mut self.random).await;
                place.next = (place.durable + 1).min(self.events + 1);
                true
            }
            Some((status, answer)) => {
                self.wrong(&format!("pushed to was answered {status}: {answer}"));
                false
            }
        }
    }

    /// A crash took what the answer had called not durable, and nothing else, unless it was the log
    /// itself that was damaged.
    fn go_back(&self, place: &mut Place, problem: &Value) -> bool {
        let expected = problem["expected"].as_u64().unwrap_or(0);
        if self.world.damages() > place.damages {
            place.durable = place.durable.min(expected.saturating_sub(1));
            place.damages = self.world.damages();
        }
        if expected <= place.durable || expected >= place.next {
            self.wrong(&format!("{place:?}: {problem}"));
            return false;
        }
        place.next = expected;
        true
    }

    fn wrong(&self, what: &str) {
        self.world.violate(format!("{}: {what}", self.job));
    }

    fn line(&self, seq: u64) -> String {
        let event = if seq > self.events {
            let data = json!({ "steps": self.events });
            json!({ "type": "completed", "data": data, "producer_seq": seq })
        } else {
            let mut data = json!({ "n": seq });
            if self.padding > 0 {
                data["padding"] = "x".repeat(self.padding).into();
            }
            json!({ "type": "step", "data": data, "producer_seq": seq })
        };
        format!("{event}\n")
    }
}
