//! A reader as a browser's `EventSource` is one: it comes back with the last id that it has, until
//! it is told by 204 that there is nothing more to come for.

use reqwest::Response;
use tailwater::event::parse::{Item, Parser};

use crate::harness::PATIENCE;
use crate::harness::reader::Message;

use super::world::World;

/// Everything that one reader got, connection by connection.
#[derive(Debug, Default)]
pub struct History {
    pub connections: Vec<Vec<Message>>,
}

/// Reads a job to its end, through every crash.
pub async fn read_job(world: &World, job: &str) -> History {
    Browser::new(world, |world, message| world.note(message))
        .read(&format!("/api/jobs/{job}/stream"))
        .await
}

/// Reads everything that happens in the project, through every crash, until the test is over.
pub async fn read_project(world: &World) -> History {
    Browser::new(world, |world, message| world.note_in_project(message))
        .read("/api/projects/default/stream?include=content,log")
        .await
}

struct Browser<'a> {
    world: &'a World,
    note: fn(&World, &Message),
    history: History,
    last_event_id: String,
}

impl<'a> Browser<'a> {
    fn new(world: &'a World, note: fn(&World, &Message)) -> Self {
        Self { world, note, history: History::default(), last_event_id: String::new() }
    }

    async fn read(mut self, path: &str) -> History {
        let world = self.world;
        let url = world.url(path);
        while !world.over.is_cancelled() {
            let life = world.life();
            let mut request = world.http.get(&url).header("accept", "text/event-stream");
            if !self.last_event_id.is_empty() {
                request = request.header("last-event-id", &self.last_event_id);
            }
            let Ok(response) = request.send().await else {
                world.life_after(life).await;
                continue;
            };
            match response.status().as_u16() {
                204 => break,
                200 => self.take(response).await,
                status => panic!("a reader of {path} was answered {status}"),
            }
        }
        self.history
    }

    async fn take(&mut self, mut response: Response) {
        self.history.connections.push(Vec::new());
        let mut parser = Parser::new(16 << 20);
        loop {
            let chunk = tokio::time::timeout(PATIENCE, response.chunk()).await;
            // A cut connection is an end like any other; what was whole was taken.
            let Ok(Some(bytes)) = chunk.expect("a stream never falls silent") else { return };
            parser.push(&bytes);
            while let Some(item) = parser.poll() {
                if let Item::Message(message) = item.expect("a stream that can be parsed") {
                    let fresh = !message.last_event_id.is_empty()
                        && message.last_event_id != self.last_event_id;
                    if fresh {
                        self.last_event_id.clone_from(&message.last_event_id);
                    }
                    self.keep(Message {
                        id: fresh.then(|| message.last_event_id.parse().expect("ids are numbers")),
                        data: serde_json::from_str(&message.data).expect("data is JSON"),
                        event: message.event,
                    });
                }
            }
        }
    }

    fn keep(&mut self, message: Message) {
        (self.note)(self.world, &message);
        self.history.connections.last_mut().expect("it is connected").push(message);
    }
}
