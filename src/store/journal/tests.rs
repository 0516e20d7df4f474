//! The journal among others who write to the same Postgres.

use std::sync::atomic::AtomicUsize;

use tokio::sync::Barrier;

use super::*;
use crate::db::home::Home;
use crate::db::{Change, Conn, sql};
use crate::event::now_ms;
use crate::store::Options;

/// Touches two rows, in this order; the first time it holds the first one until the other writer has its own.
struct Touch {
    rows: [&'static str; 2],
    both: Arc<Barrier>,
    tries: Arc<AtomicUsize>,
}

impl Change for Touch {
    type Outcome = u64;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<u64, sqlx::Error> {
        let [first, second] = self
            .rows
            .map(|row| sql::query("update lane set turn = turn + 1 where lane = ?").bind(row));
        let touched = first.execute(&mut *tx).await?;
        if self.tries.fetch_add(1, Ordering::SeqCst) == 0 {
            self.both.wait().await;
        }
        Ok(touched + second.execute(tx).await?)
    }
}

#[tokio::test]
#[ignore = "needs Postgres: scripts/with-postgres"]
async fn whoever_is_in_the_way_of_another_writer_goes_second_and_nobody_is_refused() {
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
    let both = Arc::new(Barrier::new(2));
    let tries = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let touch = |n: usize, rows| {
        let (both, tries) = (Arc::clone(&both), Arc::clone(&tries[n]));
        journals[n].journal().change(Touch { rows, both, tries })
    };
    let touched = tokio::join!(touch(0, ["a", "b"]), touch(1, ["b", "a"]));
    assert_eq!(touched, (Ok(2), Ok(2)));
    let tries: usize = tries.iter().map(|tries| tries.load(Ordering::SeqCst)).sum();
    assert!(tries > 2, "neither was in the way of the other");
    let turns = "select cast(sum(turn) as bigint) from lane";
    let turns: i64 = sql::query_scalar(turns).fetch_one(&mut outside.conn()).await.unwrap();
    assert_eq!(turns, 4);
    stop.cancel();
}
