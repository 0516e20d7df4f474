//! The command line.
//!
//! Only here is anything printed. What a command was asked for goes to standard output, so that
//! scripts can use it; everything said about it goes to standard error.
//!
//! Exit codes: 0 for success, 1 when something failed (also a watched job), 2 for input that can
//! never do, 128 plus the signal's number when a signal ended it.

mod args;
mod backup;
mod credits;
mod doctor;
mod health;
mod jobs;
mod keys;
mod loadtest;
mod man;
mod media;
mod models;
mod out;
mod passage;
mod record;
mod save;
mod screen;
mod serve;
mod simulate;
mod submit;
mod watch;
mod webhooks;

use std::process::ExitCode;

use clap::FromArgMatches;
use secrecy::SecretString;

use crate::client::{Client, ClientError, FieldError, Options};
use crate::config::{self, ConfigError, Environment, Flags, Loaded};
use crate::server;

use args::{Cli, Command};

/// Runs the command that the arguments of this process name.
pub async fn main() -> ExitCode {
    let cli = match Cli::try_from_process() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; both know where to print to.
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(cli).await {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            out::note(&format!("error: {}", failure.message));
            ExitCode::from(failure.code)
        }
    }
}

async fn run(cli: Cli) -> Result<u8, Failure> {
    match cli.into_command() {
        Command::Serve(serve) => serve::run(&serve.flags).await,
        Command::Simulate(simulate) => simulate::run(simulate).await,
        Command::Submit(submit) => submit::run(submit).await,
        Command::Watch(watch) => watch::run(watch).await,
        Command::Cancel(cancel) => jobs::cancel(cancel).await,
        Command::Jobs(jobs) => jobs::list(jobs).await,
        Command::Models(models) => models::run(models).await,
        Command::Credits(credits) => credits::run(credits).await,
        Command::Keys(keys) => keys::run(keys).await,
        Command::Webhooks(webhooks) => webhooks::run(webhooks).await,
        Command::LoadTest(args) => loadtest::run(args).await,
        Command::Record(record) => record::run(record).await,
        Command::LoadTestReaders => loadtest::run_part(crate::loadtest::run_readers).await,
        Command::LoadTestLimit(limit) => {
            loadtest::run_part(move || crate::loadtest::run_limit(limit.listen)).await
        }
        Command::Doctor(args) => doctor::run(args).await,
        Command::Config(config) => show_settings(&config),
        Command::Migrate(migrate) => {
            let loaded = settings(&migrate.flags)?;
            out::print(&(server::migrate(&loaded.settings).await? + "\n")).ok();
            Ok(0)
        }
        Command::Backup(args) => backup::make(args).await,
        Command::Restore(args) => backup::restore(args).await,
        Command::Health(args) => health::run(args).await,
        Command::Completions { shell } => Ok(man::completions(shell)),
        Command::Man(args) => man::pages(&args),
    }
}

fn show_settings(config: &args::Config) -> Result<u8, Failure> {
    let report = settings(&config.flags)?.report;
    let text = if config.json { out::json(&report.to_json()) } else { report.to_text() };
    out::print(&text).ok();
    Ok(0)
}

/// The settings of this process; notes about them are said at once.
fn settings(flags: &Flags) -> Result<Loaded, Failure> {
    let loaded = config::load(flags, &Environment::of_process())?;
    for note in &loaded.notes {
        out::note(&format!("note: {note}"));
    }
    Ok(loaded)
}

/// The variable with the key that client commands use.
const KEY_VARIABLE: &str = "TAILWATER_API_KEY";

/// The key of whoever uses a client command.
fn key() -> Option<SecretString> {
    let key = std::env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty());
    key.map(SecretString::from)
}

fn client(server: &str) -> Result<Client, Failure> {
    Ok(Client::new(Options { key: key(), ..Options::new(server) })?)
}

impl Cli {
    fn try_from_process() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&Self::command_as_listed().try_get_matches()?)
    }
}

/// Why a command did not do what it was asked for: a sentence, or one with a line for each field that
/// was wrong, and an exit code.
#[derive(Debug)]
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    fn bad_input(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::bad_input(error.to_string())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let hint = match &error {
            ClientError::Unreachable { .. } => "; `tailwater serve` starts one",
            ClientError::BadAddress(_)
            | ClientError::Setup(_)
            | ClientError::Problem { .. }
            | ClientError::Unreadable(_) => "",
        };
        let code = if error.is_bad_input() { 2 } else { 1 };
        let message = match &error {
            ClientError::Problem { code, detail, fields, .. } if fields.len() > 1 => {
                field_by_field(detail, code, fields)
            }
            _ => format!("{error}{hint}"),
        };
        Self { message, code }
    }
}

/// A line for each field, their details below one another.
fn field_by_field(detail: &str, code: &str, fields: &[FieldError]) -> String {
    let width = fields.iter().map(|field| field.pointer.chars().count()).max().unwrap_or_default();
    let line = |field: &FieldError| format!("\n  {:width$}  {}", field.pointer, field.detail);
    let lines: String = fields.iter().map(line).collect();
    format!("{detail} ({code}){lines}")
}

impl From<server::Error> for Failure {
    fn from(error: server::Error) -> Self {
        Self { message: error.to_string(), code: error.exit_code() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(fields: &[(&str, &str)]) -> Failure {
        let field = |(pointer, detail): &(&str, &str)| FieldError {
            pointer: (*pointer).to_owned(),
            detail: (*detail).to_owned(),
        };
        Failure::from(ClientError::Problem {
            status: 400,
            code: "invalid_field".to_owned(),
            detail: "the job cannot be taken".to_owned(),
            fields: fields.iter().map(field).collect(),
            retry_after: None,
        })
    }

    #[test]
    fn one_wrong_field_is_a_sentence_and_several_are_lines() {
        let failure = refused(&[("/input/seed", "must be a whole number")]);
        assert_eq!(
            (failure.message.as_str(), failure.code),
            ("the job cannot be taken; /input/seed must be a whole number (invalid_field)", 2)
        );
        let failure = refused(&[("/input/seed", "is wrong"), ("/model", "is missing")]);
        assert_eq!(
            failure.message,
            "the job cannot be taken (invalid_field)\n  \
             /input/seed  is wrong\n  \
             /model       is missing"
        );
    }
}
