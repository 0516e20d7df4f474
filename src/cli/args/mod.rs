//! The arguments of every command.

mod backup;
mod doctor;
mod examples;
mod keys;
mod load;
mod outbox;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::Flags;
use crate::credits::Micro;
use crate::job;

pub(super) use backup::{Backup, Restore};
pub(super) use doctor::Doctor;
pub(super) use keys::{CreateKey, Keys, ListKeys, RevokeKey, WhatKeys};
pub(super) use load::{Limit, LoadTest, Record};
pub(super) use outbox::{ListWebhooks, Outbox, ReplayWebhooks, Webhooks};

/// Submit a slow AI job, stream everything it makes to every browser that watches, lose nothing.
#[derive(Debug, Parser)]
#[command(
    name = "tailwater",
    version,
    override_usage = examples::USAGE,
    after_help = examples::EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub(super) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

impl Cli {
    pub(super) fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(Serve { flags: self.flags }))
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the server (what happens without a command).
    Serve(Serve),
    /// Play every provider on this machine, until it is interrupted.
    #[command(after_help = examples::SIMULATE_EXAMPLES)]
    Simulate(Simulate),
    /// Submit a job to a server.
    #[command(after_help = examples::SUBMIT_EXAMPLES)]
    Submit(Submit),
    /// Watch a job until its end.
    #[command(after_help = examples::WATCH_EXAMPLES)]
    Watch(Watch),
    /// Cancel a job; what it made so far stays.
    Cancel(Cancel),
    /// List the newest jobs.
    Jobs(Jobs),
    /// List the models that make videos, images and lip-sync, or show one.
    #[command(after_help = examples::MODELS_EXAMPLES)]
    Models(Models),
    /// Show the credits that pay for jobs.
    #[command(after_help = examples::CREDITS_EXAMPLES)]
    Credits(Credits),
    /// Make, list and revoke the keys of a server on this machine.
    #[command(after_help = examples::KEYS_EXAMPLES)]
    Keys(Keys),
    /// Show who was told how jobs ended, and tell it again.
    #[command(after_help = examples::WEBHOOKS_EXAMPLES)]
    Webhooks(Webhooks),
    /// Load a server with jobs and readers, and check that none of them loses anything.
    #[command(name = "loadtest", after_help = examples::LOADTEST_EXAMPLES)]
    LoadTest(LoadTest),
    /// Print a job's events, with their times, so that a load test can play them again.
    #[command(after_help = examples::RECORD_EXAMPLES)]
    Record(Record),
    /// Read for a load test that has too many readers for one process.
    #[command(name = "loadtest-readers", hide = true)]
    LoadTestReaders,
    /// Write each event to each reader, and nothing else.
    #[command(name = "loadtest-limit", hide = true)]
    LoadTestLimit(Limit),
    /// Look at what a server stands on, and at the way to it through a proxy, and say what is wrong.
    #[command(after_help = examples::DOCTOR_EXAMPLES)]
    Doctor(Doctor),
    /// Print every effective setting and where it comes from; secrets stay hidden.
    Config(Config),
    /// Bring the database in the data folder to this version, without serving.
    Migrate(Migrate),
    /// Make a backup of the data folder, also while a server has it.
    #[command(after_help = examples::BACKUP_EXAMPLES)]
    Backup(Backup),
    /// Make a data folder from a backup, for a server to go on from.
    #[command(after_help = examples::RESTORE_EXAMPLES)]
    Restore(Restore),
    /// Ask a server whether it takes jobs; ends with 0 when it does, else with 1.
    Health(Health),
    /// Print the completion script of a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page, or write the pages of all commands.
    Man(OfMan),
}

#[derive(Args, Debug)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) flags: Flags,
}

#[derive(Args, Debug)]
pub(super) struct Config {
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) flags: Flags,
}

#[derive(Args, Debug)]
pub(super) struct Health {
    /// Print all that the server says, as JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) server: Server,
}

#[derive(Args, Debug)]
pub(super) struct OfMan {
    /// Write tailwater.1 and a page for each command into this folder.
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct Migrate {
    #[command(flatten)]
    pub(super) flags: Flags,
}

#[derive(Args, Debug)]
pub(super) struct Simulate {
    /// The first of eight addresses; with port 0, all are free ones.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9100")]
    pub(super) listen: SocketAddr,
    /// How many times faster than real providers, 0.1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    pub(super) speed: f64,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.1..=1000.0).contains(speed));
    speed.ok_or_else(|| "a number from 0.1 to 1000 is allowed".to_owned())
}

/// The server that a client command talks to.
#[derive(Args, Debug)]
pub(super) struct Server {
    /// The server's address.
    #[arg(
        long = "server",
        value_name = "URL",
        env = "TAILWATER_SERVER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080"
    )]
    pub(super) address: String,
}

#[derive(Args, Debug)]
pub(super) struct Submit {
    #[command(subcommand)]
    pub(super) what: What,
}

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// A post about a topic, with a narration if asked for.
    Blog(Blog),
    /// A narration of a text.
    Voiceover(Voiceover),
    /// An answer to a message.
    Chat(Chat),
    /// A video, by a model of the catalog.
    #[command(after_help = examples::MEDIA_EXAMPLES)]
    Video(Media),
    /// An image, by a model of the catalog.
    #[command(after_help = examples::MEDIA_EXAMPLES)]
    Image(Media),
    /// A face that speaks, by a model of the catalog.
    #[command(after_help = examples::MEDIA_EXAMPLES)]
    Lipsync(Media),
}

#[derive(Args, Debug)]
pub(super) struct Blog {
    /// What the post is about.
    pub(super) topic: String,
    /// Make a narration of it too.
    #[arg(long)]
    pub(super) voiceover: bool,
    /// The voice of the narration; the server's default without it.
    #[arg(long, requires = "voiceover")]
    pub(super) voice: Option<String>,
    /// The language to write in.
    #[arg(long)]
    pub(super) language: Option<String>,
    /// How it should sound, as in "playful".
    #[arg(long)]
    pub(super) tone: Option<String>,
    /// About how many words it should have.
    #[arg(long, value_name = "N")]
    pub(super) words: Option<u32>,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Args, Debug)]
pub(super) struct Voiceover {
    /// The text to speak, or - to read it from standard input.
    pub(super) text: String,
    /// The voice; the server's default without it.
    #[arg(long)]
    pub(super) voice: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Args, Debug)]
pub(super) struct Chat {
    /// What is said to the model, or - to read it from standard input.
    pub(super) message: String,
    /// How it is to answer.
    #[arg(long, value_name = "TEXT")]
    pub(super) system: Option<String>,
    /// Make a narration of the answer too.
    #[arg(long)]
    pub(super) voiceover: bool,
    /// The voice of the narration; the server's default without it.
    #[arg(long, requires = "voiceover")]
    pub(super) voice: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Args, Debug)]
pub(super) struct Media {
    /// What is to be seen, or - to read it from standard input; models without it take none.
    pub(super) prompt: Option<String>,
    /// The model that makes it: a slug of `tailwater models`.
    #[arg(long, value_name = "SLUG")]
    pub(super) model: String,
    /// An input of the model; a file is uploaded with NAME=@FILE.
    #[arg(long = "input", short = 'i', value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) inputs: Vec<(String, String)>,
    /// Wait for it and save it here; more files of the same job get a number behind the name.
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().into(), value.into())),
        _ => Err("NAME=VALUE is allowed, as in duration=10 or image=@portrait.png".to_owned()),
    }
}

/// What every submit can be told.
#[derive(Args, Debug)]
pub(super) struct Common {
    /// Watch the job until its end; the job goes on when this is interrupted.
    #[arg(long)]
    pub(super) watch: bool,
    /// Print the server's answer, and with --watch every event, as a line of JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// The project that the job belongs to.
    #[arg(long, value_name = "ID")]
    pub(super) project: Option<String>,
    /// Run it even when an identical task is in flight.
    #[arg(long)]
    pub(super) allow_duplicate: bool,
    /// Who is to be told how it ends: an https address that takes webhooks.
    #[arg(long, value_name = "URL")]
    pub(super) webhook_url: Option<String>,
    #[command(flatten)]
    pub(super) server: Server,
}

#[derive(Args, Debug)]
pub(super) struct Watch {
    /// The job's id, or any link to it.
    #[arg(value_name = "JOB|URL")]
    pub(super) target: String,
    /// Begin behind the event with this id.
    #[arg(long, value_name = "ID", default_value_t = 0, hide_default_value = true)]
    pub(super) after: u64,
    /// Save the video or image that it makes here.
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Print every event as a line of JSON: id, event, data.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) server: Server,
}

#[derive(Args, Debug)]
pub(super) struct Cancel {
    /// The job's id, or any link to it.
    #[arg(value_name = "JOB|URL")]
    pub(super) target: String,
    /// Why, for those who watch it.
    #[arg(long)]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) server: Server,
}

#[derive(Args, Debug)]
pub(super) struct Jobs {
    /// Only jobs with this status.
    #[arg(long, value_parser = PossibleValuesParser::new(job::Status::ALL.map(job::Status::as_str)))]
    pub(super) status: Option<String>,
    /// Only jobs of this kind.
    #[arg(long, value_parser = PossibleValuesParser::new(job::Kind::ALL.map(job::Kind::as_str)))]
    pub(super) kind: Option<String>,
    /// Only jobs of this project.
    #[arg(long, value_name = "ID")]
    pub(super) project: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) limit: u32,
    /// Print the server's answer as JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) server: Server,
}

#[derive(Args, Debug)]
pub(super) struct Models {
    /// Show this model: what it takes, what it costs, how it is submitted.
    #[arg(conflicts_with_all = ["provider", "mode", "kind"])]
    pub(super) slug: Option<String>,
    /// Only models of this provider.
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// Only models that make this from that, as in image-to-video.
    #[arg(long)]
    pub(super) mode: Option<String>,
    /// Only models of this kind of jobs.
    #[arg(long, value_parser = ["video", "image", "lipsync"])]
    pub(super) kind: Option<String>,
    /// Print the server's answer as JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) server: Server,
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Credits {
    #[command(subcommand)]
    pub(super) what: Option<Account>,
    #[command(flatten)]
    pub(super) plain: Plain,
}

#[derive(Debug, Subcommand)]
pub(super) enum Account {
    /// List the newest movements.
    Ledger(Ledger),
    /// Add credits.
    Grant(Grant),
}

#[derive(Args, Debug)]
pub(super) struct Ledger {
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) limit: u32,
    /// Only movements before the one with this id.
    #[arg(long, value_name = "ID")]
    pub(super) before: Option<i64>,
    #[command(flatten)]
    pub(super) plain: Plain,
}

#[derive(Args, Debug)]
pub(super) struct Grant {
    /// How many credits, as in 25 or 0.50.
    #[arg(value_name = "CREDITS")]
    pub(super) amount: Micro,
    /// Give them to this project, which then pays for its own jobs.
    #[arg(long, value_name = "ID")]
    pub(super) project: Option<String>,
    /// What they are for.
    #[arg(long)]
    pub(super) note: Option<String>,
    /// Grant them once, however often this is repeated with the same key.
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(super) plain: Plain,
}

/// What a command that only asks can be told.
#[derive(Args, Debug)]
pub(super) struct Plain {
    /// Print the server's answer as JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) server: Server,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(arguments: &[&str]) -> Result<Command, clap::Error> {
        let arguments = std::iter::once(&"tailwater").chain(arguments);
        Cli::try_parse_from(arguments).map(Cli::into_command)
    }

    #[test]
    fn the_declaration_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves_and_takes_the_same_flags() {
        assert!(matches!(parse(&[]).unwrap(), Command::Serve(_)));
        assert!(matches!(parse(&["--listen", "127.0.0.1:0"]).unwrap(), Command::Serve(_)));
        assert!(matches!(parse(&["serve", "--workers=0"]).unwrap(), Command::Serve(_)));
    }

    #[test]
    fn wrong_arguments_end_with_2_and_help_with_0() {
        for arguments in [
            vec!["fly"],
            vec!["--fly"],
            vec!["--listen", "127.0.0.1:0", "jobs"],
            vec!["simulate", "--speed", "0"],
            vec!["simulate", "--listen", "9100"],
            vec!["watch"],
            vec!["watch", "job_1", "--after", "-1"],
            vec!["jobs", "--status", "happy"],
            vec!["submit", "blog"],
            vec!["submit", "blog", "x", "--voice", "nova"],
            vec!["submit", "video", "a kite"],
            vec!["submit", "video", "--model", "m", "--input", "duration"],
            vec!["submit", "image", "--model", "m", "--input", "=5"],
            vec!["models", "wan-2-5-t2v", "--provider", "fal"],
            vec!["models", "--kind", "blog"],
            vec!["credits", "spend"],
            vec!["credits", "grant"],
            vec!["credits", "grant", "-5"],
            vec!["credits", "grant", "0.0000001"],
            vec!["doctor", "--idle", "4"],
            vec!["doctor", "--idle", "soon"],
            vec!["doctor", "--idle", "30"],
            vec!["webhooks"],
            vec!["webhooks", "list", "--status", "failed"],
            vec!["webhooks", "replay"],
            vec!["webhooks", "replay", "--since", "90"],
        ] {
            assert_eq!(parse(&arguments).unwrap_err().exit_code(), 2, "{arguments:?}");
        }
        assert_eq!(parse(&["submit", "--help"]).unwrap_err().exit_code(), 0);
    }

    #[test]
    fn an_input_is_split_at_its_first_sign() {
        let Command::Submit(Submit { what: What::Video(media) }) =
            parse(&["submit", "video", "--model", "m", "-i", "prompt=1+1=2", "-i", "seed = 7"])
                .unwrap()
        else {
            panic!("it is a video");
        };
        let pairs: Vec<_> = media.inputs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(pairs, [("prompt", "1+1=2"), ("seed", " 7")]);
    }

    #[test]
    fn help_shows_no_value_of_the_environment() {
        let help = Cli::command().find_subcommand_mut("jobs").unwrap().render_long_help();
        assert!(help.to_string().contains("[env: TAILWATER_SERVER]"), "{help}");
    }
}
