//! The table that both clients are held to.

use serde::Deserialize;
use serde_json::Value;

use super::*;

/// Cases of the TypeScript client's own tests, as they are.
const TABLE: &str = include_str!("../../../../client/vectors/machine.json");

#[derive(Deserialize)]
struct Case {
    name: String,
    options: Wishes,
    steps: Vec<Step>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Wishes {
    streams: Option<bool>,
    polls: Option<bool>,
    waits: Option<bool>,
    base_ms: Option<u64>,
    cap_ms: Option<u64>,
    limit: Option<u32>,
}

impl From<Wishes> for Options {
    fn from(wishes: Wishes) -> Self {
        let usual = Self::default();
        Self {
            streams: wishes.streams.unwrap_or(usual.streams),
            polls: wishes.polls.unwrap_or(usual.polls),
            waits: wishes.waits.unwrap_or(usual.waits),
            base_ms: wishes.base_ms.unwrap_or(usual.base_ms),
            cap_ms: wishes.cap_ms.unwrap_or(usual.cap_ms),
            limit: wishes.limit.or(usual.limit),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: u64,
    draw: f64,
    happening: Happening,
    then: Then,
    commands: Vec<Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Then {
    phase: String,
    reason: Option<String>,
    busy: String,
    deadline: Option<u64>,
    retry_at: Option<u64>,
}

fn then(machine: &Machine) -> Then {
    Then {
        phase: format!("{:?}", machine.phase()).to_lowercase(),
        reason: machine.reason().map(str::to_owned),
        busy: format!("{:?}", machine.busy()).to_lowercase(),
        deadline: machine.deadline(),
        retry_at: machine.retry_at(),
    }
}

fn as_the_table_has_it(command: Command) -> Value {
    match command {
        Command::Open => serde_json::json!({ "do": "open" }),
        Command::Poll { wait_s } => serde_json::json!({ "do": "poll", "waitS": wait_s }),
        Command::Renew => serde_json::json!({ "do": "renew" }),
        Command::Drop => serde_json::json!({ "do": "drop" }),
        Command::End(code) => {
            let code = code.map(|code| match code {
                EndCode::Refused => "refused",
                EndCode::GaveUp => "gave_up",
            });
            serde_json::json!({ "do": "end", "code": code })
        }
    }
}

#[test]
fn it_does_what_the_typescript_clients_machine_does() {
    let cases: Vec<Case> = serde_json::from_str(TABLE).unwrap();
    assert!(cases.len() > 40, "the table is not cut short");
    for Case { name, options, steps } in cases {
        let mut machine = Machine::new(options.into());
        for (index, step) in steps.into_iter().enumerate() {
            let place = format!("'{name}', step {index}: {:?}", step.happening);
            let commands = machine.step(&step.happening, step.at, step.draw);
            let commands: Vec<_> = commands.into_iter().map(as_the_table_has_it).collect();
            assert_eq!(then(&machine), step.then, "{place}");
            assert_eq!(commands, step.commands, "{place}");
        }
    }
}
