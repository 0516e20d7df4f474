//! The arguments of every command.

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::Flags;
use crate::job;

const EXAMPLES: &str = "\
Examples:
  tailwater                                          serve on http://127.0.0.1:8080
  tailwater serve --listen 0.0.0.0:80 --data /srv/tailwater
  tailwater submit blog \"The tides\" --voiceover --watch
  tailwater watch job_06b2… --json | jq .event
  tailwater jobs --status running
  tailwater config                                   every setting and where it comes from

Without a command it serves; `tailwater serve --help` lists the flags.";

const USAGE: &str = "tailwater [FLAGS OF SERVE]\n       tailwater <COMMAND>";

const SUBMIT_EXAMPLES: &str = "\
Examples:
  tailwater submit blog \"The tides\" --words 400 --tone playful --watch > tides.md
  tailwater submit blog \"Die Gezeiten\" --language German --voiceover --voice nova
  tailwater submit voiceover \"Read this aloud.\" --watch
  fortune | tailwater submit voiceover - --json";

const WATCH_EXAMPLES: &str = "\
Examples:
  tailwater watch job_06b2…                          the text as it comes, progress beside it
  tailwater watch job_06b2… > post.md
  tailwater watch 'https://example.org/api/jobs/job_06b2…/stream?ticket=…'
  tailwater watch job_06b2… --after 4294967338 --json

Ends with 0 when the job completed, with 1 when it failed or was canceled.";

/// Submit a slow AI job, stream everything it makes to every browser that watches, lose nothing.
#[derive(Debug, Parser)]
#[command(
    name = "tailwater",
    version,
    override_usage = USAGE,
    after_help = EXAMPLES,
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
    /// Submit a job to a server.
    #[command(after_help = SUBMIT_EXAMPLES)]
    Submit(Submit),
    /// Watch a job until its end.
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(Watch),
    /// Cancel a job; what it made so far stays.
    Cancel(Cancel),
    /// List the newest jobs.
    Jobs(Jobs),
    /// Print every effective setting and where it comes from; secrets stay hidden.
    Config(Config),
    /// Bring the database in the data folder to this version, without serving.
    Migrate(Migrate),
    /// Print the completion script of a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
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
pub(super) struct Migrate {
    #[command(flatten)]
    pub(super) flags: Flags,
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
            vec!["watch"],
            vec!["watch", "job_1", "--after", "-1"],
            vec!["jobs", "--status", "happy"],
            vec!["submit", "blog"],
            vec!["submit", "blog", "x", "--voice", "nova"],
        ] {
            assert_eq!(parse(&arguments).unwrap_err().exit_code(), 2, "{arguments:?}");
        }
        assert_eq!(parse(&["submit", "--help"]).unwrap_err().exit_code(), 0);
    }

    #[test]
    fn help_shows_no_value_of_the_environment() {
        let help = Cli::command().find_subcommand_mut("jobs").unwrap().render_long_help();
        assert!(help.to_string().contains("[env: TAILWATER_SERVER]"), "{help}");
    }
}
