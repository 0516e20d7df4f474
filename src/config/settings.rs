//! The one table of settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

use crate::artifact::Location;
use crate::nats;
use crate::signing::Signer;
use crate::telemetry;

use super::artifacts::Artifacts;
use super::database::{Database, Events};
use super::form::{
    Decimal, Described, EngineName, File, Filter, Folder, Form, LogFormat, Numbers, OnOff, Origins,
    Secret, Text, Url, Whole,
};
use super::hook::{Receiver, SigningSecret};
use super::network::{Address, Networks};
use super::units::{Size, Time};

const KILOBYTE: usize = 1 << 10;
const MEGABYTE: usize = 1 << 20;
const TERABYTE: usize = 1 << 40;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// One row of the table: everything about a setting but its type.
#[derive(Debug)]
pub(super) struct Setting {
    /// The field of [`Settings`] and the key in the settings file.
    pub(super) name: &'static str,
    /// What it means, as in the documentation of the field.
    pub(super) help: &'static [&'static str],
    /// The flag without its dashes; none for a secret, since everybody on a machine can read the
    /// command line of its processes.
    pub(super) flag: Option<&'static str>,
    /// The environment variable that wins over the settings file.
    pub(super) env: &'static str,
    /// Variables that other programs read too: they count only where the file says nothing.
    pub(super) fallbacks: &'static [&'static str],
    /// What holds when nothing is said; empty for "not set".
    pub(super) default: &'static str,
    /// What its values look like.
    pub(super) form: fn() -> Described,
    /// Takes a value; false when it is not allowed.
    pub(super) read: fn(&mut Settings, &str) -> bool,
    /// The effective value, or none when it is not set.
    pub(super) show: fn(&Settings) -> Option<String>,
}

macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $type:ty {
            flag: $flag:expr, env: $env:literal, $(fallback: $fallback:literal,)?
            default: $default:literal, form: $form:expr,
        }
    )+) => {
        /// The effective settings of a process.
        ///
        /// Units are in the types; defaults are given as they are written, and `""` is "not set".
        /// `Debug` shows no secret.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nDefault: `\"", $default, "\"`.")]
                pub $name: $type,
            )+
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $form.read($default).expect("a default is allowed"),)+ }
            }
        }

        /// Every setting, in the order in which people are shown them.
        pub(super) static TABLE: &[Setting] = &[$(
            Setting {
                name: stringify!($name),
                help: &[$($doc),+],
                flag: $flag,
                env: $env,
                fallbacks: &[$($fallback)?],
                default: $default,
                form: || $form.describe(),
                read: |settings, text| match $form.read(text) {
                    Some(value) => {
                        settings.$name = value;
                        true
                    }
                    None => false,
                },
                show: |settings| $form.show(&settings.$name),
            },
        )+];
    };
}

/// What serves the streams of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Threads with a readiness loop each, which take a connection over once its head is written.
    Fanout,
    /// A task for each connection, as for every other request.
    Hyper,
}

settings! {
    /// The address to listen on; port 0 picks a free one.
    listen: SocketAddr {
        flag: Some("listen"), env: "TAILWATER_LISTEN",
        default: "127.0.0.1:8080", form: Address,
    }
    /// The folder that holds the database and the files that jobs make; created when missing.
    data: PathBuf {
        flag: Some("data"), env: "TAILWATER_DATA",
        default: "./data", form: Folder,
    }
    /// The Postgres that holds jobs, credits and events; without it `SQLite` does, in the data folder.
    database: Option<SecretString> {
        flag: Some("database"), env: "TAILWATER_DATABASE",
        default: "", form: Database,
    }
    /// The NATS servers with `JetStream` that keep the events of a cluster; without them the server is
    /// alone. Needs a `database` of Postgres.
    events: Option<nats::Address> {
        flag: Some("events"), env: "TAILWATER_EVENTS",
        default: "", form: Events,
    }
    /// How long the other nodes of a cluster wait for one that is silent before they take up its jobs, in
    /// seconds, 1 s to 10 m.
    lease: Duration {
        flag: Some("lease"), env: "TAILWATER_LEASE",
        default: "10s", form: Time(SECOND, SECOND..=MINUTE * 10),
    }
    /// Where the files are that jobs make and clients give: `s3://bucket/prefix`, or a folder by its
    /// absolute path or `file:///path`; servers may share it. Without it, `artifacts` in the data folder.
    artifacts: Option<Location> {
        flag: Some("artifacts"), env: "TAILWATER_ARTIFACTS",
        default: "", form: Artifacts,
    }
    /// The S3-compatible storage of the bucket, where it is not Amazon's, as in
    /// `https://storage.example.com`; over plain HTTP where it says `http://`.
    aws_endpoint_url: Option<String> {
        flag: None, env: "AWS_ENDPOINT_URL_S3", fallback: "AWS_ENDPOINT_URL",
        default: "", form: Url,
    }
    /// The region of the bucket.
    aws_region: String {
        flag: None, env: "AWS_REGION", fallback: "AWS_DEFAULT_REGION",
        default: "us-east-1", form: Text,
    }
    /// The name of the key for the bucket; never printed.
    aws_access_key_id: Option<SecretString> {
        flag: None, env: "AWS_ACCESS_KEY_ID",
        default: "", form: Secret,
    }
    /// The key for the bucket; never printed.
    aws_secret_access_key: Option<SecretString> {
        flag: None, env: "AWS_SECRET_ACCESS_KEY",
        default: "", form: Secret,
    }
    /// What goes with a key for the bucket that was lent for a while; never printed.
    aws_session_token: Option<SecretString> {
        flag: None, env: "AWS_SESSION_TOKEN",
        default: "", form: Secret,
    }
    /// How many jobs this process runs at once for each provider, 0 to 1000; with 0 it runs none.
    workers: u32 {
        flag: Some("workers"), env: "TAILWATER_WORKERS",
        default: "3", form: Whole(0..=1000),
    }
    /// The address under which clients reach this server, for links in answers; without it, links
    /// are relative.
    public_url: Option<String> {
        flag: Some("public-url"), env: "TAILWATER_PUBLIC_URL",
        default: "", form: Url,
    }
    /// Other sites whose pages may use this server from a browser, with commas between them, as in
    /// `https://app.example.com`.
    cors_origins: Vec<String> {
        flag: Some("cors-origins"), env: "TAILWATER_CORS_ORIGINS",
        default: "", form: Origins,
    }
    /// Whether a provider that has neither key nor base URL is simulated; when off, its jobs fail.
    simulator: bool {
        flag: Some("simulator"), env: "TAILWATER_SIMULATOR",
        default: "on", form: OnOff,
    }
    /// How many times faster than real providers the simulator is, 0.1 to 1000.
    simulator_speed: f64 {
        flag: Some("simulator-speed"), env: "TAILWATER_SIMULATOR_SPEED",
        default: "1", form: Decimal(0.1..=1000.0),
    }
    /// Where `/chat/completions` of an OpenAI-compatible server is, with its version, as in
    /// `http://localhost:11434/v1`.
    chat_base_url: Option<String> {
        flag: Some("chat-base-url"), env: "TAILWATER_CHAT_BASE_URL", fallback: "OPENAI_BASE_URL",
        default: "", form: Url,
    }
    /// Where `/audio/speech` of an OpenAI-compatible server is, with its version.
    speech_base_url: Option<String> {
        flag: Some("speech-base-url"), env: "TAILWATER_SPEECH_BASE_URL", fallback: "OPENAI_BASE_URL",
        default: "", form: Url,
    }
    /// The model that writes, by the name that its server gives it.
    chat_model: String {
        flag: Some("chat-model"), env: "TAILWATER_CHAT_MODEL",
        default: "gpt-4o-mini", form: Text,
    }
    /// The model that speaks, by the name that its server gives it.
    speech_model: String {
        flag: Some("speech-model"), env: "TAILWATER_SPEECH_MODEL",
        default: "gpt-4o-mini-tts", form: Text,
    }
    /// The voice of a job that asks for none.
    speech_voice: String {
        flag: Some("speech-voice"), env: "TAILWATER_SPEECH_VOICE",
        default: "alloy", form: Text,
    }
    /// The key for chat and speech; never printed, and no flag, since flags show in process lists.
    openai_api_key: Option<SecretString> {
        flag: None, env: "OPENAI_API_KEY",
        default: "", form: Secret,
    }
    /// Where Replicate is, with its version, as in `https://api.replicate.com/v1`.
    replicate_base_url: Option<String> {
        flag: Some("replicate-base-url"), env: "TAILWATER_REPLICATE_BASE_URL",
        default: "", form: Url,
    }
    /// Where fal is, the queue, as in `https://queue.fal.run`.
    fal_base_url: Option<String> {
        flag: Some("fal-base-url"), env: "TAILWATER_FAL_BASE_URL",
        default: "", form: Url,
    }
    /// Where Runway is, as in `https://api.dev.runwayml.com`.
    runway_base_url: Option<String> {
        flag: Some("runway-base-url"), env: "TAILWATER_RUNWAY_BASE_URL",
        default: "", form: Url,
    }
    /// Where `MiniMax` is, as in `https://api.minimax.io`.
    minimax_base_url: Option<String> {
        flag: Some("minimax-base-url"), env: "TAILWATER_MINIMAX_BASE_URL",
        default: "", form: Url,
    }
    /// Where Black Forest Labs is, as in `https://api.bfl.ai`.
    bfl_base_url: Option<String> {
        flag: Some("bfl-base-url"), env: "TAILWATER_BFL_BASE_URL",
        default: "", form: Url,
    }
    /// The key for Replicate; never printed.
    replicate_api_token: Option<SecretString> {
        flag: None, env: "REPLICATE_API_TOKEN",
        default: "", form: Secret,
    }
    /// The key for fal; never printed.
    fal_key: Option<SecretString> {
        flag: None, env: "FAL_KEY",
        default: "", form: Secret,
    }
    /// The key for Runway; never printed.
    runwayml_api_secret: Option<SecretString> {
        flag: None, env: "RUNWAYML_API_SECRET",
        default: "", form: Secret,
    }
    /// The key for `MiniMax`; never printed.
    minimax_api_key: Option<SecretString> {
        flag: None, env: "MINIMAX_API_KEY",
        default: "", form: Secret,
    }
    /// The key for Black Forest Labs; never printed.
    bfl_api_key: Option<SecretString> {
        flag: None, env: "BFL_API_KEY",
        default: "", form: Secret,
    }
    /// What Replicate signs callbacks with, `whsec_…`; without it, it is asked for at Replicate.
    replicate_webhook_secret: Option<SecretString> {
        flag: None, env: "TAILWATER_REPLICATE_WEBHOOK_SECRET",
        default: "", form: Secret,
    }
    /// A file (TOML) that adds models to the catalog or changes them.
    catalog: Option<PathBuf> {
        flag: Some("catalog"), env: "TAILWATER_CATALOG",
        default: "", form: File,
    }
    /// How many jobs run at once for some providers or models, by name, where it is not the number
    /// of workers.
    concurrency: BTreeMap<String, u32> {
        flag: Some("concurrency"), env: "TAILWATER_CONCURRENCY",
        default: "", form: Numbers(1..=1000),
    }
    /// How many jobs are started a minute at some providers, by name, where the catalog's figure
    /// does not fit your plan.
    requests_per_minute: BTreeMap<String, u32> {
        flag: Some("requests-per-minute"), env: "TAILWATER_REQUESTS_PER_MINUTE",
        default: "", form: Numbers(1..=1_000_000),
    }
    /// Over how long jobs are spread that would start at a provider together, 0 s to 1 m.
    start_jitter: Duration {
        flag: Some("start-jitter"), env: "TAILWATER_START_JITTER",
        default: "2s", form: Time(SECOND, Duration::ZERO..=MINUTE),
    }
    /// How long a lip-sync submit with `pollForCompletion` holds its answer, in seconds, 0 s to
    /// 10 m; proxies give up after 30 to 100 s.
    lipsync_wait: Duration {
        flag: Some("lipsync-wait"), env: "TAILWATER_LIPSYNC_WAIT",
        default: "25s", form: Time(SECOND, Duration::ZERO..=MINUTE.saturating_mul(10)),
    }
    /// How many credits the account of a new data folder begins with, 0 to 1000000.
    demo_credits: u32 {
        flag: Some("demo-credits"), env: "TAILWATER_DEMO_CREDITS",
        default: "1000", form: Whole(0..=1_000_000),
    }
    /// The largest file that clients may upload, in bytes, 1K to 16G.
    upload_limit: usize {
        flag: Some("upload-limit"), env: "TAILWATER_UPLOAD_LIMIT",
        default: "200M", form: Size(KILOBYTE..=16 * 1024 * MEGABYTE),
    }
    /// The largest file that is fetched from a provider, in bytes, 1K to 64G.
    output_limit: usize {
        flag: Some("output-limit"), env: "TAILWATER_OUTPUT_LIMIT",
        default: "1G", form: Size(KILOBYTE..=64 * 1024 * MEGABYTE),
    }
    /// How long a model may write nothing before its run is given up, in seconds, 1 s to 1 h.
    chat_idle_timeout: Duration {
        flag: Some("chat-idle-timeout"), env: "TAILWATER_CHAT_IDLE_TIMEOUT",
        default: "120s", form: Time(SECOND, SECOND..=HOUR),
    }
    /// How long one run of a job may take altogether, in seconds, 1 s to 1 d.
    job_time_limit: Duration {
        flag: Some("job-time-limit"), env: "TAILWATER_JOB_TIME_LIMIT",
        default: "600s", form: Time(SECOND, SECOND..=DAY),
    }
    /// How long the worker of an external job may be silent before the job fails, in seconds, 1 s
    /// to 7 d; a job can ask for another limit.
    producer_silence: Duration {
        flag: Some("producer-silence"), env: "TAILWATER_PRODUCER_SILENCE",
        default: "600s", form: Time(SECOND, SECOND..=DAY.saturating_mul(7)),
    }
    /// The most memory that events in memory take, in bytes, 16M to 1024G; past it submits are
    /// answered with 503.
    memory_limit: usize {
        flag: Some("memory-limit"), env: "TAILWATER_MEMORY_LIMIT",
        default: "512M", form: Size(16 * MEGABYTE..=TERABYTE),
    }
    /// How much may be not yet in the database, in bytes, 1M to 1024G; past it workers wait.
    journal_limit: usize {
        flag: Some("journal-limit"), env: "TAILWATER_JOURNAL_LIMIT",
        default: "128M", form: Size(MEGABYTE..=TERABYTE),
    }
    /// The largest single event, in bytes, 1K to 16M.
    event_limit: usize {
        flag: Some("event-limit"), env: "TAILWATER_EVENT_LIMIT",
        default: "256K", form: Size(KILOBYTE..=16 * MEGABYTE),
    }
    /// The largest JSON body of a request, in bytes, 1K to 64M; on the submit routes of models, where
    /// files may stand in it as `data:` URLs, 32 times that.
    body_limit: usize {
        flag: Some("body-limit"), env: "TAILWATER_BODY_LIMIT",
        default: "1M", form: Size(KILOBYTE..=64 * MEGABYTE),
    }
    /// How long a finished job's events stay in memory, in seconds, 0 s to 1 d; later they are read
    /// from the database.
    retention_memory: Duration {
        flag: Some("retention-memory"), env: "TAILWATER_RETENTION_MEMORY",
        default: "300s", form: Time(SECOND, Duration::ZERO..=DAY),
    }
    /// How long the database keeps the events of a finished job, in days, 1 m to 3650 d.
    retention_database: Duration {
        flag: Some("retention-database"), env: "TAILWATER_RETENTION_DATABASE",
        default: "30d", form: Time(DAY, MINUTE..=DAY.saturating_mul(3_650)),
    }
    /// How long one stream lasts at most before it says `bye`, in seconds, 1 s to 7 d.
    max_stream_age: Duration {
        flag: Some("max-stream-age"), env: "TAILWATER_MAX_STREAM_AGE",
        default: "3600s", form: Time(SECOND, SECOND..=DAY.saturating_mul(7)),
    }
    /// After how much silence a stream sends a keep-alive, in seconds, 100 ms to 15 s; clients are told,
    /// and take three missed ones for a dead connection.
    keep_alive: Duration {
        flag: Some("keep-alive"), env: "TAILWATER_KEEP_ALIVE",
        default: "5s", form: Time(SECOND, Duration::from_millis(100)..=Duration::from_secs(15)),
    }
    /// What serves the streams of a job: 'fanout', threads that each serve thousands of readers, or
    /// 'hyper', a task for each reader.
    engine: Engine {
        flag: Some("engine"), env: "TAILWATER_ENGINE",
        default: "fanout", form: EngineName,
    }
    /// After how long a reader that takes no byte is closed, in seconds, 1 s to 1 h.
    stall_timeout: Duration {
        flag: Some("stall-timeout"), env: "TAILWATER_STALL_TIMEOUT",
        default: "60s", form: Time(SECOND, SECOND..=HOUR),
    }
    /// Which log lines are written: `module=level` pairs and a level for the rest.
    log: String {
        flag: Some("log"), env: "TAILWATER_LOG",
        default: "tailwater=info,warn", form: Filter,
    }
    /// How log lines look: `human` or `json`.
    log_format: telemetry::Format {
        flag: Some("log-format"), env: "TAILWATER_LOG_FORMAT",
        default: "human", form: LogFormat,
    }
    /// Who is told how every job ends, besides whom a submit names: an address that takes webhooks.
    webhook_url: Option<String> {
        flag: Some("webhook-url"), env: "TAILWATER_WEBHOOK_URL",
        default: "", form: Receiver,
    }
    /// What webhooks are signed with, `whsec_…`; two or more, with blanks between them, while one
    /// takes another's place; never printed. Without it no webhook is sent.
    webhook_secret: Option<Signer> {
        flag: None, env: "TAILWATER_WEBHOOK_SECRET",
        default: "", form: SigningSecret,
    }
    /// Whether webhooks go to private addresses, and without TLS, too: for development and tests.
    webhook_allow_private: bool {
        flag: Some("webhook-allow-private"), env: "TAILWATER_WEBHOOK_ALLOW_PRIVATE",
        default: "off", form: OnOff,
    }
    /// Whether uploads are fetched from private addresses, and without TLS, too: for development and
    /// tests.
    upload_allow_private: bool {
        flag: Some("upload-allow-private"), env: "TAILWATER_UPLOAD_ALLOW_PRIVATE",
        default: "off", form: OnOff,
    }
    /// The certificate to show, a PEM file with those that lead to a root behind it: then the server
    /// speaks TLS, and nothing else. Read again when it changes, and at SIGHUP.
    tls_cert: Option<PathBuf> {
        flag: Some("tls-cert"), env: "TAILWATER_TLS_CERT",
        default: "", form: File,
    }
    /// The certificate's key, a PEM file without a password.
    tls_key: Option<PathBuf> {
        flag: Some("tls-key"), env: "TAILWATER_TLS_KEY",
        default: "", form: File,
    }
    /// The proxies that are believed about the client before them (`X-Forwarded-For` and `-Proto`, or
    /// `Forwarded`), as networks; without it, none.
    trusted_proxies: Vec<IpNet> {
        flag: Some("trusted-proxies"), env: "TAILWATER_TRUSTED_PROXIES",
        default: "", form: Networks,
    }
    /// The largest head of a request, in bytes, 8K to 1M.
    header_limit: usize {
        flag: Some("header-limit"), env: "TAILWATER_HEADER_LIMIT",
        default: "64K", form: Size(8 * KILOBYTE..=MEGABYTE),
    }
    /// How long a client may take to agree on TLS, and to send the head of a request, in seconds,
    /// 1 s to 10 m.
    header_timeout: Duration {
        flag: Some("header-timeout"), env: "TAILWATER_HEADER_TIMEOUT",
        default: "30s", form: Time(SECOND, SECOND..=MINUTE.saturating_mul(10)),
    }
    /// How long a connection is kept between requests, in seconds, 1 s to 1 h; longer than a proxy in
    /// front keeps it, or that one will use it in the moment it ends.
    idle_timeout: Duration {
        flag: Some("idle-timeout"), env: "TAILWATER_IDLE_TIMEOUT",
        default: "75s", form: Time(SECOND, SECOND..=HOUR),
    }
    /// How many connections there may be, those of streams too, 0 to 10000000; 0 is as many as the
    /// process may open.
    max_connections: u32 {
        flag: Some("max-connections"), env: "TAILWATER_MAX_CONNECTIONS",
        default: "0", form: Whole(0..=10_000_000),
    }
    /// How many connections one address may have, 0 to 10000000; 0 is no limit. Here and below an
    /// IPv6 address counts with its /64, and one of this machine does not count.
    connections_per_address: u32 {
        flag: Some("connections-per-address"), env: "TAILWATER_CONNECTIONS_PER_ADDRESS",
        default: "10000", form: Whole(0..=10_000_000),
    }
    /// How many requests a second are answered to one address, 0 to 1000000, and twice that at once;
    /// 0 is no limit.
    requests_per_address: u32 {
        flag: Some("requests-per-address"), env: "TAILWATER_REQUESTS_PER_ADDRESS",
        default: "1000", form: Whole(0..=1_000_000),
    }
    /// How many requests a second are answered to one key, 0 to 1000000, and twice that at once; 0 is
    /// no limit. A ticket gets as many as an address.
    requests_per_key: u32 {
        flag: Some("requests-per-key"), env: "TAILWATER_REQUESTS_PER_KEY",
        default: "5000", form: Whole(0..=1_000_000),
    }
    /// How many streams one key may have, with its sessions, 0 to 10000000; 0 is no limit.
    streams_per_key: u32 {
        flag: Some("streams-per-key"), env: "TAILWATER_STREAMS_PER_KEY",
        default: "0", form: Whole(0..=10_000_000),
    }
    /// How many streams one ticket may have, 0 to 10000000; 0 is no limit.
    streams_per_ticket: u32 {
        flag: Some("streams-per-ticket"), env: "TAILWATER_STREAMS_PER_TICKET",
        default: "1000", form: Whole(0..=10_000_000),
    }
    /// How many streams one address may have, 0 to 10000000; 0 is no limit.
    streams_per_address: u32 {
        flag: Some("streams-per-address"), env: "TAILWATER_STREAMS_PER_ADDRESS",
        default: "10000", form: Whole(0..=10_000_000),
    }
    /// How many streams one job may have, 0 to 10000000; 0 is no limit.
    streams_per_job: u32 {
        flag: Some("streams-per-job"), env: "TAILWATER_STREAMS_PER_JOB",
        default: "0", form: Whole(0..=10_000_000),
    }
    /// Whether addresses of this machine are held to the limits of an address too.
    limit_loopback: bool {
        flag: Some("limit-loopback"), env: "TAILWATER_LIMIT_LOOPBACK",
        default: "off", form: OnOff,
    }
    /// How many jobs of one project may wait, 0 to 10000000; 0 is no limit.
    jobs_per_project: u32 {
        flag: Some("jobs-per-project"), env: "TAILWATER_JOBS_PER_PROJECT",
        default: "50000", form: Whole(0..=10_000_000),
    }
    /// How much one project may take on disk, in bytes, 0 to 1024T: its files, its jobs, their events;
    /// 0 is no limit. Past it, uploads, submits and pushed events are refused.
    disk_per_project: usize {
        flag: Some("disk-per-project"), env: "TAILWATER_DISK_PER_PROJECT",
        default: "100G", form: Size(0..=1024 * TERABYTE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_the_same_name_everywhere() {
        for setting in TABLE {
            if let Some(flag) = setting.flag {
                assert_eq!(flag, setting.name.replace('_', "-"));
                assert_eq!(setting.env, format!("TAILWATER_{}", setting.name.to_uppercase()));
            }
        }
    }

    #[test]
    fn a_default_is_shown_so_that_it_can_be_read_again() {
        let mut settings = Settings::default();
        for setting in TABLE {
            let shown = (setting.show)(&settings).unwrap_or_default();
            assert!((setting.read)(&mut settings, &shown), "{} = {shown:?}", setting.name);
            assert_eq!((setting.show)(&settings).unwrap_or_default(), shown);
        }
    }

    #[test]
    fn defaults_are_those_of_the_design() {
        let settings = Settings::default();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.workers, 3);
        assert!(settings.simulator);
        assert_eq!(settings.memory_limit, 536_870_912);
        assert_eq!(settings.job_time_limit, Duration::from_secs(600));
        assert_eq!(settings.retention_database, Duration::from_secs(30 * 86_400));
        assert!(settings.openai_api_key.is_none());
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let settings =
            Settings { openai_api_key: Some("sk-very-secret".into()), ..Settings::default() };
        let debug = format!("{settings:?}");
        assert!(debug.contains("openai_api_key") && !debug.contains("very-secret"), "{debug}");
    }
}
