//! Keys, from beside a server: its process notices within a second.

use crate::config::Settings;
use crate::credits;
use crate::db::credits::OpenAccount;
use crate::db::keys::{Insert, KeyRow, Revoke, Revoked};
use crate::db::{self, Change, Db, DbError, Writer};
use crate::event::now_ms;
use crate::job::KeyId;

use super::Error;
use super::folder::Folder;

/// Adds a key, and opens the account of its project.
///
/// # Errors
/// When the data folder or its database cannot be used.
pub async fn create(settings: &Settings, row: &KeyRow) -> Result<(), Error> {
    let (_folder, db, mut writer) = open(settings).await?;
    if let Some(project) = &row.project_id {
        let account = credits::own_account(project);
        apply(&mut writer, &OpenAccount { account, demo: 0, now: now_ms() }).await?;
    }
    apply(&mut writer, &Insert(row.clone())).await?;
    close(db, writer).await;
    Ok(())
}

/// Every key, oldest first, and every session.
///
/// # Errors
/// As for [`create`].
pub async fn list(settings: &Settings) -> Result<Vec<KeyRow>, Error> {
    let (_folder, db, writer) = open(settings).await?;
    let rows = db.keys().await?;
    close(db, writer).await;
    Ok(rows)
}

/// Revokes a key and its sessions.
///
/// # Errors
/// As for [`create`].
pub async fn revoke(settings: &Settings, id: &KeyId) -> Result<Revoked, Error> {
    let (_folder, db, mut writer) = open(settings).await?;
    let revoked = apply(&mut writer, &Revoke { id: id.clone(), now: now_ms() }).await?;
    close(db, writer).await;
    Ok(revoked)
}

/// The database, brought up to date where no server has it.
async fn open(settings: &Settings) -> Result<(Option<Folder>, Db, Writer), Error> {
    let place = super::place(settings);
    if settings.database.is_some() {
        // Not ours alone, whoever else has it; but one that is not there yet is made.
        return match db::open_beside(place).await {
            Err(DbError::Older { .. }) => {
                let (db, writer, _) = db::open(place).await?;
                Ok((None, db, writer))
            }
            beside => beside.map(|(db, writer)| (None, db, writer)).map_err(Error::from),
        };
    }
    match Folder::lock(&settings.data) {
        Ok(folder) => {
            let (db, writer, _) = db::open(place).await?;
            Ok((Some(folder), db, writer))
        }
        Err(Error::Locked { .. }) => {
            let (db, writer) = db::open_beside(place).await?;
            Ok((None, db, writer))
        }
        Err(error) => Err(error),
    }
}

async fn apply<C: Change>(writer: &mut Writer, change: &C) -> Result<C::Outcome, Error> {
    let outcome = async {
        let mut tx = writer.begin().await?;
        let outcome = change.apply(&mut tx.conn()).await?;
        tx.commit().await?;
        Ok(outcome)
    };
    outcome.await.map_err(|error: sqlx::Error| DbError::from(error).into())
}

async fn close(db: Db, writer: Writer) {
    db.close().await;
    writer.close().await;
}
