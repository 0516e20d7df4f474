//! The models of the server's catalog.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Client, ClientError, segment};

/// Which models to list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ModelFilter {
    /// Only models of this provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Only models that make this from that, as in `text-to-video`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Only models that make jobs of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A model as the server shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    /// What a submit calls it.
    pub slug: String,
    /// What people call it.
    pub title: String,
    /// Who runs it.
    pub provider: String,
    /// The kind of its jobs.
    pub kind: String,
    /// What it usually makes from what.
    pub mode: String,
    /// What it takes.
    #[serde(default)]
    pub inputs: Vec<ModelInput>,
    /// What it costs.
    pub cost: Price,
    /// Whether the server only simulates it.
    #[serde(default)]
    pub simulated: bool,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One input of a model.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ModelInput {
    /// Its name.
    pub name: String,
    /// `text`, `integer`, `number`, `boolean`, `uri`, `texts`, `uris` or `object`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether a job needs it.
    #[serde(default)]
    pub required: bool,
    /// What it means.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub meaning: String,
    /// The only values that it may have; any, when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Value>,
    /// What the provider takes when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Other names for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Everything else that the server said: bounds, families of files.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl ModelInput {
    /// Whether this is its name or another name for it, however it is spelled: `imageUrl` is
    /// `image_url`, as for the server.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        let name = plain(name);
        plain(&self.name) == name || self.aliases.iter().any(|alias| plain(alias) == name)
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_lowercase()).collect()
}

/// What a model costs, in credits as decimal texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Price {
    /// What is counted: `job` or `second`.
    pub per: String,
    /// The price of one, where it is the same for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<String>,
    /// The prices by the value of an input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PriceTable>,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Prices by the value of an input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PriceTable {
    /// The input's name.
    pub input: String,
    /// The price in credits for each of its values.
    pub credits: Map<String, Value>,
}

#[derive(Deserialize)]
struct Page {
    models: Vec<Model>,
}

impl Client {
    /// The models that pass the filter, in the catalog's order.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn models(&self, filter: &ModelFilter) -> Result<Vec<Model>, ClientError> {
        let request = self.request(Method::GET, "/api/models").query(filter);
        self.answer(request).await.map(|page: Page| page.models)
    }

    /// One model, by its slug or another of its names.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn model(&self, slug: &str) -> Result<Model, ClientError> {
        let path = format!("/api/models/{}", segment(slug));
        self.answer(self.request(Method::GET, &path)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_model_is_passed_on_as_it_came() {
        let row = json!({
            "slug": "a/b", "title": "A", "provider": "fal", "kind": "video", "mode": "text-to-video",
            "cost": { "per": "second", "by": { "input": "size", "credits": { "s": "0.1" } }, "x": 1 },
            "inputs": [
                { "name": "seed", "type": "integer", "required": false, "min": 0.0 },
            ],
            "simulated": true, "health": { "status": "ok" },
        });
        let model: Model = serde_json::from_value(row.clone()).unwrap();
        assert_eq!(serde_json::to_value(model).unwrap(), row);
    }

    #[test]
    fn a_name_is_known_in_every_spelling() {
        let input: ModelInput = serde_json::from_value(json!({
            "name": "image_url", "type": "uri", "aliases": ["first_frame"],
        }))
        .unwrap();
        for name in ["image_url", "imageUrl", "image-url", "firstFrame"] {
            assert!(input.is_called(name), "{name}");
        }
        assert!(!input.is_called("image"));
    }
}
