//! A row as clients see it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::model::{Group, Model, Retired};

impl Model {
    /// The row as JSON, for whoever wants to know which models there are and what they take.
    ///
    /// What the server knows beside the catalog, such as the provider's health, is for the caller
    /// to add.
    #[must_use]
    pub fn view(&self) -> Value {
        let modes: Vec<_> = self.modes.iter().map(|mode| mode.as_str()).collect();
        let variants = self
            .variants
            .iter()
            .map(|variant| json!({"when": variant.when, "upstream": variant.upstream}));
        let mut view = json!({
            "slug": self.slug,
            "title": self.title,
            "provider": self.provider,
            "upstream": self.upstream,
            "kind": self.kind().as_str(),
            "mode": self.mode().as_str(),
            "modes": modes,
            "route": self.route(),
            "inputs": self.inputs,
            "media_type": self.media_type,
            "cost": self.pricing,
            "time_limit_ms": milliseconds(self.time_limit),
            "polling": {
                "first_ms": milliseconds(self.polling.first),
                "ceiling_ms": milliseconds(self.polling.ceiling),
                "per_position_ms": milliseconds(self.polling.per_position),
            },
            "concurrency": self.concurrency,
            "confirmed": self.confirmed,
            "example": self.example,
        });
        let fields = view.as_object_mut().expect("the view is an object");
        let mut add = |name: &str, value: Option<Value>| {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        };
        let list = |list: Vec<Value>| (!list.is_empty()).then_some(Value::Array(list));
        add("one_of", list(self.named(true)));
        add("any_of", list(self.named(false)));
        add("variants", list(variants.collect()));
        add("aliases", list(self.aliases.iter().map(|alias| json!(alias)).collect()));
        add("notes", self.notes.as_ref().map(|notes| json!(notes)));
        add("retired", self.retired.as_ref().map(Retired::view));
        view
    }

    fn named(&self, exactly_one: bool) -> Vec<Value> {
        let groups = self.groups.iter().filter(|group: &&Group| group.exactly_one == exactly_one);
        groups.map(|group| json!(group.names)).collect()
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Retired {
    fn view(&self) -> Value {
        let mut view = Map::new();
        view.insert("reason".into(), json!(self.reason));
        view.insert("refused".into(), json!(self.refused));
        view.extend(self.since.as_ref().map(|date| ("since".into(), json!(date))));
        view.extend(self.successor.as_ref().map(|slug| ("successor".into(), json!(slug))));
        Value::Object(view)
    }
}
