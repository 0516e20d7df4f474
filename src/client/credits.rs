//! Credits: what there is, where it went, and more of it.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Client, ClientError};

/// What an account has. Amounts are micro-credits: a credit has 1,000,000.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Balance {
    /// What new jobs can be paid from.
    pub available: i64,
    /// What is kept back for jobs that have not ended.
    pub held: i64,
    /// All that was ever granted.
    pub granted: i64,
    /// All that jobs have cost.
    pub captured: i64,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A movement of an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its id; later ones are higher.
    pub id: i64,
    /// `grant`, `hold`, `capture` or `release`.
    pub entry: String,
    /// How much, in micro-credits.
    pub amount: i64,
    /// What was available then, in micro-credits.
    pub available_after: i64,
    /// The job that it is about.
    #[serde(default)]
    pub job_id: Option<String>,
    /// What was said about it.
    #[serde(default)]
    pub note: Option<String>,
    /// When, in UTC milliseconds.
    pub at: i64,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A page of an account's movements.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LedgerPage {
    /// The movements, newest first.
    pub entries: Vec<Entry>,
    /// What to ask for as `before` to get the next page; nothing on the last.
    #[serde(default)]
    pub next: Option<i64>,
}

impl Client {
    /// What the account that pays for jobs has.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn credits(&self) -> Result<Balance, ClientError> {
        self.answer(self.request(Method::GET, "/api/credits")).await
    }

    /// At most so many of the account's movements, newest first, those before the one with the id
    /// `before`.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn ledger(&self, limit: u32, before: Option<i64>) -> Result<LedgerPage, ClientError> {
        let mut query = vec![("limit", i64::from(limit))];
        query.extend(before.map(|id| ("before", id)));
        self.answer(self.request(Method::GET, "/api/credits/ledger").query(&query)).await
    }

    /// Gives so many micro-credits to a project, or to the common account. The same idempotency key again gives them once.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn grant(
        &self,
        amount: i64,
        note: Option<&str>,
        project: Option<&str>,
        idempotency_key: Option<&str>,
    ) -> Result<Entry, ClientError> {
        let body = json!({ "amount": amount, "note": note, "project_id": project });
        let mut request = self.request(Method::POST, "/api/credits/grant").json(&body);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.answer(request).await
    }
}
