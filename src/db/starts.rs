//! The rate at which a provider takes starts, held by all nodes of a cluster together.

use std::time::Duration;

use super::sql::{self, Conn};
use super::{Change, unsigned};

/// Takes the next turn to start something at a provider.
#[derive(Clone, Debug)]
pub struct TakeTurn {
    /// The provider.
    pub provider: String,
    /// How far apart starts are.
    pub gap: Duration,
}

impl Change for TakeTurn {
    /// In how much time the turn is.
    type Outcome = Duration;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Duration, sqlx::Error> {
        let gap_us = i64::try_from(self.gap.as_micros()).unwrap_or(i64::MAX / 4);
        let wait_us: i64 = sql::query_scalar(
            "insert into start_turn (provider, next_us) values (?1, now_ms() * 1000 + ?2) \
             on conflict (provider) do update \
                 set next_us = max(start_turn.next_us, now_ms() * 1000) + ?2 \
             returning next_us - ?2 - now_ms() * 1000",
        )
        .bind(&self.provider)
        .bind(gap_us)
        .fetch_one(tx)
        .await?;
        Ok(Duration::from_micros(unsigned(wait_us)))
    }
}
