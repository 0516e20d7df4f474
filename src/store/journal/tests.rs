//! The journal among others who write to the same Postgres.

use super::*;
use crate::db::home::Home;
use crate::db::{Conn, sql};
use crate::event::now_ms;
use crate::store::Options;

/// Touches two rows, in this order.
struct Touch(&'static str, &'static str);

impl Change for Touch {
    type Outcome = u64;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<u64, sqlx::Error> {
        let mut touched = 0;
        for account in [self.0, self.1] {
            let touch = sql::query("update lane set turn = turn + 1 where lane = ?");
            touched += touch.bind(account).execute(&mut *tx).await?;
        }
        Ok(touched)
    }
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn whoever_is_in_the_way_of_another_writer_goes_second_and_nobody_is_refused() {
    const EACH: u64 = 20;
    let home = Home::new().await;
    let mut journals = Vec::new();
    let stop = CancellationToken::new();
    for _ in 0..2 {
        let (db, mut writer, _) = home.share().await.unwrap();
        let epochs = writer.begin_epoch(now_ms()).await.unwrap();
        let (journal, feed) = Journal::new(epochs.last_committed());
        let store = Store::new(db, epochs, Options::default(), journal);
        tokio::spawn(store.clone().run_journal(writer, feed, stop.clone()));
        journals.push(store);
    }
    let mut outside = home.outside().await;
    let lanes = "insert into lane (lane, priority, turn) values ('a', 0, 0), ('b', 0, 0)";
    sql::query(lanes).execute(&mut outside.conn()).await.unwrap();
    let work = async |store: &Store, first, second| {
        for _ in 0..EACH {
            assert_eq!(store.journal().change(Touch(first, second)).await, Ok(2));
        }
    };
    tokio::join!(work(&journals[0], "a", "b"), work(&journals[1], "b", "a"));
    let turns = "select cast(sum(turn) as bigint) from lane";
    let turns: i64 = sql::query_scalar(turns).fetch_one(&mut outside.conn()).await.unwrap();
    assert_eq!(turns, 4 * i64::try_from(EACH).unwrap());
    stop.cancel();
}
