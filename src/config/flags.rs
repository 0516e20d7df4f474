//! The flags of the settings, made from the table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::settings::{Setting, TABLE};

/// What the command line says about the settings: text, read later together with all else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Values by the names of their settings.
    pub(super) values: BTreeMap<&'static str, String>,
    /// Another settings file than `tailwater.toml`.
    pub(super) file: Option<PathBuf>,
}

impl Flags {
    /// Nothing but the data folder, for a command that needs no other setting.
    #[must_use]
    pub fn of_data(folder: Option<String>) -> Self {
        let values = folder.map(|folder| ("data", folder)).into_iter().collect();
        Self { values, file: None }
    }
}

const CONFIG: &str = "config";

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .help("The settings file [env: TAILWATER_CONFIG] [default: tailwater.toml, if there]")
            .help_heading("Settings")
            .value_parser(value_parser!(PathBuf));
        command.arg(file).args(TABLE.iter().filter_map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(setting: &'static Setting) -> Option<Arg> {
    let arg = Arg::new(setting.name)
        .long(setting.flag?)
        .value_name((setting.form)().placeholder)
        .help(help(setting))
        .help_heading("Settings")
        .allow_hyphen_values(true);
    Some(arg)
}

fn help(setting: &Setting) -> String {
    let text: Vec<&str> = setting.help.iter().map(|line| line.trim()).collect();
    let mut help = text.join(" ").trim_end_matches('.').to_owned();
    help += &format!(" [env: {}]", setting.env);
    if !setting.default.is_empty() {
        help += &format!(" [default: {}]", setting.default);
    }
    help
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        if let Some(file) = matches.get_one::<PathBuf>(CONFIG) {
            self.file = Some(file.clone());
        }
        for setting in TABLE.iter().filter(|setting| setting.flag.is_some()) {
            if let Some(value) = matches.get_one::<String>(setting.name) {
                self.values.insert(setting.name, value.clone());
            }
        }
        Ok(())
    }
}
