//! Becoming a node of a cluster.

use std::net::SocketAddr;

use crate::config::Settings;
use crate::db::{Db, DbError, Writer};
use crate::event::now_ms;
use crate::nats::{self, Nats, NatsError};
use crate::store::cluster::{Member, entry_of, epoch_of, first_entry, largest_entry};
use crate::store::journal::Feed;
use crate::store::{self, Cluster, Journal, Store};

use super::Error;

/// Joins the cluster of this database and this log; the first node begins the log.
pub(super) async fn join(
    settings: &Settings,
    events: &nats::Address,
    address: SocketAddr,
    db: Db,
    writer: &mut Writer,
    options: store::Options,
) -> Result<(Store, Feed, Vec<String>), Error> {
    let label = address.to_string();
    let nats = Nats::connect(events, &label).await?;
    let mut begun = None;
    let epochs = writer
        .share_epoch::<Failed>(now_ms(), async |next| {
            let log = match nats.log().await.map_err(Failed::Nats)? {
                Some(log) => log,
                None => nats.begin_log(first_entry(next)).await.map_err(Failed::Nats)?,
            };
            let epoch = epoch_of(log.first());
            begun = Some(log);
            Ok(epoch)
        })
        .await?;
    let log = begun.expect("the log was asked for");
    let archived = epochs.last_committed();
    let last = log.last().await?;
    if last < entry_of(archived) {
        let (log, archived) = (events.to_string(), entry_of(archived));
        return Err(Error::LogBehind { log, last, archived });
    }
    let most = log.most_bytes();
    let wanted = largest_entry(settings.event_limit);
    if wanted > most {
        return Err(Error::SmallLog { most, wanted, event_limit: settings.event_limit });
    }
    let number = writer.join(&label, settings.lease).await?;
    let member = Member { number, label, lease: settings.lease };
    let notes = notes(settings, events, &log, number);
    let (journal, feed) = Journal::new(archived);
    let cluster = Cluster::new(nats, log, member, archived);
    Ok((Store::among(db, epochs, options, journal, cluster), feed, notes))
}

fn notes(settings: &Settings, events: &nats::Address, log: &nats::Log, number: i64) -> Vec<String> {
    let number = number.unsigned_abs();
    let mut notes = vec![format!("node {number} of the cluster that shares {events}")];
    if settings.artifacts.is_none() {
        notes.push(
            "files are in this node's own data folder, where no other node has them: `--artifacts` with \
             s3://bucket or a folder that all nodes see"
                .into(),
        );
    }
    if log.replicas() < 3 {
        notes.push(format!(
            "the event log has {} replica: when that NATS server loses power, what it has not synced to \
             disk is gone (two minutes of events, unless its `sync_interval` is `always`)",
            log.replicas()
        ));
    }
    notes
}

/// What keeps a log from being found or begun.
enum Failed {
    Nats(NatsError),
    Db(DbError),
}

impl From<DbError> for Failed {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Nats(error) => error.into(),
            Failed::Db(error) => error.into(),
        }
    }
}
