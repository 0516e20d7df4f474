//! What providers answer: any status, any headers, any bytes. It is understood or refused, and
//! nothing of it that people see has the key, a line break or no end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tailwater::job::input::{Message, Role};
use tailwater::provider::chat::{self, Chat};
use tailwater::provider::media::{InputFile, Operation, Place, Request, Service, State};
use tailwater::provider::{Error, local_client, registry};

use super::input::Input;
use super::runtime;
use super::stage::{KEY, Stage, reply};

const STATUSES: [u16; 20] = [
    200, 200, 200, 200, 201, 202, 301, 400, 401, 402, 403, 404, 409, 422, 429, 499, 500, 502, 503,
    504,
];

/// A provider, and a model and a route of it.
type Row = (Arc<dyn Service>, &'static str, &'static str);

struct World {
    stage: Stage,
    rows: Vec<Row>,
    chat: Chat,
}

thread_local! {
    static WORLD: World = World::new();
}

impl World {
    fn new() -> Self {
        let stage = Stage::open("{}");
        let client = || local_client().expect("a client needs nothing");
        let rows = [
            ("replicate", "owner/name", ""),
            ("fal", "owner/name", ""),
            ("runway", "gen4_turbo", "image_to_video"),
            ("minimax", "MiniMax-Hailuo-02", "v1"),
            ("minimax", "MiniMax-Hailuo-02", "v2"),
            ("bfl", "flux-2-pro", ""),
        ];
        let connect = |(name, model, route)| {
            let base_url = Some(stage.url.clone());
            let place = Place { base_url, key: Some(KEY.into()), webhook_secret: None };
            (registry::connect(name, client(), place).expect("it is known"), model, route)
        };
        let chat = chat::Options {
            base_url: stage.url.clone(),
            api_key: Some(KEY.into()),
            model: "m".to_owned(),
            idle_timeout: Duration::from_secs(20),
        };
        Self { rows: rows.map(connect).into(), chat: Chat::new(client(), chat), stage }
    }
}

pub fn run(bytes: &[u8]) {
    WORLD.with(|world| runtime::block_on(ask(world, &mut Input::new(bytes))));
}

async fn ask(world: &World, input: &mut Input<'_>) {
    let (who, what) = (usize::from(input.byte()), input.byte());
    let first = planned(input, false);
    let second = planned(input, true);
    world.stage.plan([first, second]);
    let Some((service, model, endpoint)) = world.rows.get(who % (world.rows.len() + 1)) else {
        return stream(&world.chat).await;
    };
    let mut details = Map::from_iter([("model".to_owned(), json!("owner/name"))]);
    details.insert("api".to_owned(), json!(endpoint));
    let mut operation = Operation { id: "op-1".to_owned(), details };
    match what % 4 {
        0 => match service.cancel(&operation).await {
            Ok(()) => {}
            Err(error) => fit_to_be_shown(&error),
        },
        1 => {
            let bytes = vec![0; 300_000 * usize::from(what / 128)].into();
            let (name, media_type) = ("a.png".to_owned(), "image/png".to_owned());
            if let Err(error) = service.hand_on(InputFile { name, media_type, bytes }).await {
                fit_to_be_shown(&error);
            }
            return;
        }
        2 => {
            let input = Map::from_iter([("prompt".to_owned(), json!("a kite"))]);
            let request = Request { model, endpoint, input: &input, webhook: None };
            match service.start(request).await {
                Ok(started) => operation = started,
                Err(error) => fit_to_be_shown(&error),
            }
        }
        _ => {}
    }
    // A handle outlives a restart.
    let kept = serde_json::to_string(&operation).expect("a handle is plain data");
    assert_eq!(serde_json::from_str::<Operation>(&kept).ok().as_ref(), Some(&operation));
    assert!((1..=200).contains(&operation.id.len()));
    match service.poll(&operation).await {
        Ok(State::Running { percent, line }) => {
            assert!(percent.is_none_or(|percent| percent <= 99));
            line.iter().for_each(|line| words(line));
        }
        Ok(State::Failed(error)) | Err(error) => fit_to_be_shown(&error),
        Ok(State::Queued { .. } | State::Succeeded(_) | State::Canceled { .. }) => {}
    }
}

fn planned(input: &mut Input<'_>, is_last: bool) -> Vec<u8> {
    let status = input.pick(&STATUSES);
    let is_stream = input.byte().is_multiple_of(2);
    let media_type: &[u8] = if is_stream { b"text/event-stream" } else { b"application/json" };
    let (name, value) = match input.byte() % 4 {
        0 => ("retry-after", input.piece()),
        1 => ("x-fal-error-type", input.piece()),
        2 => ("location", input.piece()),
        _ => ("x", b"".as_slice()),
    };
    let body = if is_last { input.rest() } else { input.long_piece() };
    reply(status, &[("content-type", media_type), (name, value)], body)
}

async fn stream(chat: &Chat) {
    let messages = vec![Message { role: Role::User, content: "u".to_owned() }];
    let request = chat::Request { messages, max_tokens: None };
    let mut deltas = match chat.stream(&request).await {
        Ok(deltas) => deltas,
        Err(error) => return fit_to_be_shown(&error),
    };
    let mut is_empty = true;
    loop {
        match deltas.next().await {
            Ok(Some(text)) => {
                assert!(!text.is_empty());
                is_empty = false;
            }
            Ok(None) => {
                assert_eq!(deltas.is_empty(), is_empty);
                return assert!(matches!(deltas.next().await, Ok(None)));
            }
            Err(error) => {
                fit_to_be_shown(&error);
                return assert!(deltas.next().await.is_err());
            }
        }
    }
}

fn fit_to_be_shown(error: &Error) {
    words(&error.to_string());
    assert!(!error.code().is_empty());
    assert!(serde_json::to_value(error.to_string()).is_ok_and(|value: Value| value.is_string()));
}

fn words(shown: &str) {
    assert!(shown.chars().count() < 1000, "{shown}");
    assert!(!shown.contains(|letter: char| letter.is_control()), "{shown:?}");
    assert!(!shown.contains(KEY) && !shown.contains("key-secret-5678"), "{shown:?}");
}
