//! Postgres: connecting to it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use tokio::time::Instant;

use super::error::check_version;
use super::sql::Pool;
use super::{Db, DbError, Look, Versions, Writer, migrations};

/// Says in `pg_locks` which of its locks are ours.
const LOCKS: i32 = 0x7461_696c; // "tail"

/// The same of the lock behind which nodes migrate.
const MIGRATING: i32 = 0x6d69_6772; // "migr"

/// The same of the lock that the keeper of a cluster has.
const KEEPER: i32 = 0x6b65_6570; // "keep"

/// How much of the database a program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// All of it: the one server.
    Alone,
    /// Its part, as the other nodes of a cluster have theirs.
    Shared,
    /// Nothing: it is beside whoever has it.
    Beside,
}

/// How long a start waits for the server before it to be gone.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// How often it looks.
const LOCK_LOOK: Duration = Duration::from_millis(50);

pub(super) async fn open(
    url: &SecretString,
    hold: Hold,
) -> Result<(Db, Writer, Versions), DbError> {
    let options = options(url)?;
    let options = if hold == Hold::Shared { sharing(options) } else { options };
    let place = || place_of(&options);
    let failed = |source| DbError::Open { place: place(), source };
    let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
    if !wait_for_lock(&mut connection, hold).await.map_err(failed)? {
        return Err(DbError::InUse { place: place() });
    }
    let encoding: String = sqlx::query_scalar("select current_setting('server_encoding')")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    if encoding != "UTF8" {
        return Err(DbError::Encoding { place: place(), encoding });
    }
    let from = applied(&mut connection).await.map_err(failed)?;
    let mut known = migrations::newest(&migrations::POSTGRES);
    let is_wider = hold == Hold::Shared && from > known;
    if is_wider && only_adds(&mut connection, known).await.map_err(failed)? {
        // While nodes are replaced one by one, those of the version before may come and go.
        known = from;
    }
    if check_version(place, from, known, hold != Hold::Beside)? {
        migrate(&mut connection).await?;
    }
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .min_connections(0)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(options.clone());
    let writer = Writer::of_postgres(connection, options, hold);
    Ok((Db { pool: Pool::Postgres(pool) }, writer, Versions { from, to: known }))
}

/// Looks at the database without changing anything.
pub(super) async fn look(url: &SecretString) -> Result<Look, DbError> {
    let options = options(url)?.disable_statement_logging();
    let failed = |source| DbError::Open { place: place_of(&options), source };
    let seen = async {
        let mut connection = PgConnection::connect_with(&options).await?;
        let is_in_use: bool = sqlx::query_scalar(
            "select exists (select 1 from pg_locks \
             where locktype = 'advisory' and granted and objsubid = 2 \
               and database = (select oid from pg_database where datname = current_database()) \
               and classid::bigint = $1 \
               and objid::bigint = (hashtext(current_schema())::bigint & 4294967295))",
        )
        .bind(i64::from(LOCKS))
        .fetch_one(&mut connection)
        .await?;
        let version = applied(&mut connection).await?;
        let keys = sqlx::query_scalar("select count(*) from api_key");
        let keys = keys.fetch_one(&mut connection).await.ok();
        let clock = "select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)";
        let clock_ms = sqlx::query_scalar(clock).fetch_one(&mut connection).await?;
        connection.close().await.ok();
        let known = migrations::newest(&migrations::POSTGRES);
        Ok(Look { version, known, keys, is_in_use, clock_ms: Some(clock_ms), damage: None })
    };
    super::sql::in_time(seen).await.map_err(failed)
}

/// The address without who we are there.
pub(super) fn name(url: &SecretString) -> Result<String, DbError> {
    Ok(place_of(&options(url)?))
}

/// What may stand in the query of an address; the library would log the values of others.
const PARAMETERS: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

fn options(url: &SecretString) -> Result<PgConnectOptions, DbError> {
    let text = url.expose_secret();
    // What is wrong with it is not told: that may quote the password.
    let address = reqwest::Url::parse(text).map_err(|_| DbError::Address)?;
    let is_ours = matches!(address.scheme(), "postgres" | "postgresql")
        // A password with a slash in it would be taken for a port and a name.
        && !address.path().contains('@')
        && address.query_pairs().all(|(name, _)| {
            PARAMETERS.contains(&&*name) || name.starts_with("options[")
        });
    let options: Option<PgConnectOptions> = if is_ours { text.parse().ok() } else { None };
    Ok(options
        .ok_or(DbError::Address)?
        .application_name("tailwater")
        // Who holds a table for longer keeps us from writing, and that is to be known.
        .options([("lock_timeout", "1000")])
        // So that the server notices that we are gone, and lets go of our lock: in 25 s, not in hours.
        .options([
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "20000"),
        ])
        .statement_cache_capacity(256)
        .log_slow_statements("off".parse().expect("a level"), Duration::MAX))
}

fn place_of(options: &PgConnectOptions) -> String {
    let (host, port) = (options.get_host(), options.get_port());
    format!("postgres://{host}:{port}/{}", options.get_database().unwrap_or_default())
}

/// What whoever shares a database asks of it besides. Writers wait for each other's transactions here,
/// and one that stops in the middle of its own does not keep the others waiting.
fn sharing(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("lock_timeout", "5000"), ("idle_in_transaction_session_timeout", "10000")])
}

/// Applies what is missing. Nodes that start together do it one after the other, and all but the first find
/// nothing to do.
async fn migrate(connection: &mut PgConnection) -> Result<(), DbError> {
    while !try_lock(connection, MIGRATING).await? {
        tokio::time::sleep(LOCK_LOOK).await;
    }
    migrations::POSTGRES
        .run_direct(None, &mut *connection, false)
        .await
        .map_err(DbError::Migrate)?;
    sqlx::query("select pg_advisory_unlock($1, hashtext(current_schema()))")
        .bind(MIGRATING)
        .execute(connection)
        .await?;
    Ok(())
}

/// As [`lock`], and waits a moment: the server before may be gone, and its connection not yet.
async fn wait_for_lock(connection: &mut PgConnection, hold: Hold) -> Result<bool, sqlx::Error> {
    let begin = Instant::now();
    loop {
        if lock(connection, hold).await? {
            return Ok(true);
        }
        if begin.elapsed() >= LOCK_WAIT {
            return Ok(false);
        }
        tokio::time::sleep(LOCK_LOOK).await;
    }
}

/// Has the database for as long as this connection lives, if nobody is there who has it otherwise.
pub(super) async fn lock(connection: &mut PgConnection, hold: Hold) -> Result<bool, sqlx::Error> {
    match hold {
        Hold::Alone => try_lock(connection, LOCKS).await,
        Hold::Shared => {
            sqlx::query_scalar("select pg_try_advisory_lock_shared($1, hashtext(current_schema()))")
                .bind(LOCKS)
                .fetch_one(connection)
                .await
        }
        Hold::Beside => Ok(true),
    }
}

/// Becomes the keeper for as long as this connection lives, unless another one is.
pub(super) async fn try_keep(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    try_lock(connection, KEEPER).await
}

/// Ends the connection of a keeper whose lease is over: a process that is stopped, or a machine that is
/// gone, would keep the lock for as long as Postgres believes in its connection.
pub(super) async fn end_dead_keeper(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let ended: Vec<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid) from pg_locks \
         where locktype = 'advisory' and granted and objsubid = 2 \
           and database = (select oid from pg_database where datname = current_database()) \
           and classid::bigint = $1 \
           and objid::bigint = (hashtext(current_schema())::bigint & 4294967295) \
           and pid in (select backend from node where lease_until <= now_ms()) \
           and pid not in (select backend from node where lease_until > now_ms() \
               and backend is not null)",
    )
    .bind(i64::from(KEEPER))
    .fetch_all(connection)
    .await?;
    if !ended.is_empty() {
        tracing::warn!("the node that archives is silent for too long: another one goes on");
    }
    Ok(())
}

async fn try_lock(connection: &mut PgConnection, of: i32) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select pg_try_advisory_lock($1, hashtext(current_schema()))")
        .bind(of)
        .fetch_one(connection)
        .await
}

/// Whether whatever later versions have done to the tables will do for this one: a migration that takes away
/// what the version before it used says so by a name that begins with `contract`.
async fn only_adds(connection: &mut PgConnection, known: i64) -> Result<bool, sqlx::Error> {
    let adds = "select not exists (select 1 from _sqlx_migrations \
                    where version > $1 and description like 'contract%')";
    sqlx::query_scalar(adds).bind(known).fetch_one(connection).await
}

/// The newest applied migration; 0 when there is none, or no table of them yet.
async fn applied(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let exists: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        return Ok(0);
    }
    sqlx::query_scalar("select coalesce(max(version), 0) from _sqlx_migrations where success")
        .fetch_one(connection)
        .await
}
