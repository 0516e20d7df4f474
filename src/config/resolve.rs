//! From flags, variables and file to settings.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::nearest::nearest;

use super::environment::Environment;
use super::error::{ConfigError, presentable};
use super::file;
use super::flags::Flags;
use super::report::{Entry, Origin, Report};
use super::settings::{Setting, Settings, TABLE};

/// The settings file that is read when it is there.
const DEFAULT_FILE: &str = "tailwater.toml";

/// The variable that names another settings file.
const FILE_VARIABLE: &str = "TAILWATER_CONFIG";

/// Variables of ours that are no settings of the server.
const OTHER_VARIABLES: [&str; 3] = [FILE_VARIABLE, "TAILWATER_SERVER", "TAILWATER_API_KEY"];

/// What [`load`] found.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The effective settings.
    pub settings: Settings,
    /// The same for people, with the origin of each.
    pub report: Report,
    /// What a person should know though nothing is wrong: one sentence each.
    pub notes: Vec<String>,
}

/// Puts the settings together.
///
/// For each the first of these counts: its flag, its variable, the settings file, a variable that
/// other programs use too (`OPENAI_BASE_URL`), the default.
///
/// # Errors
/// Names the first value, key or file that cannot be used, and what is allowed instead.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Loaded, ConfigError> {
    let (path, required) = file_of(flags, environment);
    let sources = Sources { flags, environment, file: file::read(&path, required)?, path };
    let mut settings = Settings::default();
    let mut entries = Vec::with_capacity(TABLE.len());
    for setting in TABLE {
        let origin = sources.apply(setting, &mut settings)?;
        entries.push(Entry { name: setting.name, value: (setting.show)(&settings), origin });
    }
    let report = Report { entries };
    check_order(&settings, &report)?;
    Ok(Loaded { settings, report, notes: unknown_variables(environment) })
}

/// The settings file, and whether it has to be there.
fn file_of(flags: &Flags, environment: &Environment) -> (PathBuf, bool) {
    let named = flags.file.clone().or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from));
    let required = named.is_some();
    (named.unwrap_or_else(|| DEFAULT_FILE.into()), required)
}

struct Sources<'a> {
    flags: &'a Flags,
    environment: &'a Environment,
    file: file::Values,
    path: PathBuf,
}

impl Sources<'_> {
    /// Takes over what is said about one setting, and tells who said it.
    fn apply(&self, setting: &Setting, settings: &mut Settings) -> Result<Origin, ConfigError> {
        let Some((text, origin)) = self.find(setting) else { return Ok(Origin::Default) };
        if text.to_str().is_some_and(|text| (setting.read)(settings, text)) {
            return Ok(origin);
        }
        let form = (setting.form)();
        Err(ConfigError::Value {
            name: setting.name,
            value: presentable(&text.to_string_lossy(), form.secret),
            origin,
            allowed: form.allowed,
        })
    }

    fn find(&self, setting: &Setting) -> Option<(&OsStr, Origin)> {
        let variable = |name: &'static str| {
            self.environment.get(name).map(|text| (text, Origin::Environment(name)))
        };
        let flag = || {
            let text = self.flags.values.get(setting.name)?;
            Some((OsStr::new(text), Origin::Flag(setting.flag?)))
        };
        let file = || {
            let (text, line) = self.file.get(setting.name)?;
            Some((OsStr::new(text), Origin::File { path: self.path.clone(), line: *line }))
        };
        flag()
            .or_else(|| variable(setting.env))
            .or_else(file)
            .or_else(|| setting.fallbacks.iter().copied().find_map(variable))
    }
}

/// An event has to fit into the journal, and the journal into memory.
fn check_order(settings: &Settings, report: &Report) -> Result<(), ConfigError> {
    let pairs = [
        (("event_limit", settings.event_limit), ("journal_limit", settings.journal_limit)),
        (("journal_limit", settings.journal_limit), ("memory_limit", settings.memory_limit)),
    ];
    let value = |name| {
        let entry = report.entries.iter().find(|entry| entry.name == name);
        entry.and_then(|entry| entry.value.clone()).unwrap_or_default()
    };
    match pairs.into_iter().find(|((_, small), (_, large))| small > large) {
        None => Ok(()),
        Some(((smaller, _), (larger, _))) => Err(ConfigError::Order {
            smaller,
            smaller_value: value(smaller),
            larger,
            larger_value: value(larger),
        }),
    }
}

/// A slip in the name of a variable would otherwise be silent.
fn unknown_variables(environment: &Environment) -> Vec<String> {
    let known = || TABLE.iter().map(|setting| setting.env).chain(OTHER_VARIABLES);
    let note = |name: &str| match nearest(name, known()) {
        Some(meant) => format!("{name} is no setting; did you mean {meant}?"),
        None => format!("{name} is no setting and has no effect"),
    };
    environment.ours().filter(|name| !known().any(|one| one == *name)).map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command, FromArgMatches};
    use secrecy::ExposeSecret;
    use tempfile::TempDir;

    /// Loads with these flags, variables and settings file.
    fn attempt<const N: usize>(
        flags: &[&str],
        variables: [(&str, &str); N],
        file: &str,
    ) -> (Result<Loaded, ConfigError>, TempDir) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("tailwater.toml");
        std::fs::write(&path, file).unwrap();
        let arguments = std::iter::once(&"tailwater").chain(flags);
        let matches = Flags::augment_args(Command::new("tailwater"));
        let matches = matches.try_get_matches_from(arguments).unwrap();
        let mut flags = Flags::from_arg_matches(&matches).unwrap();
        flags.file.get_or_insert(path);
        (load(&flags, &Environment::from(variables)), folder)
    }

    fn loaded<const N: usize>(flags: &[&str], variables: [(&str, &str); N], file: &str) -> Loaded {
        attempt(flags, variables, file).0.unwrap()
    }

    fn refusal<const N: usize>(flags: &[&str], variables: [(&str, &str); N], file: &str) -> String {
        let (result, folder) = attempt(flags, variables, file);
        let text = result.unwrap_err().to_string();
        text.replace(&format!("{}/", folder.path().display()), "")
    }

    fn origin(loaded: &Loaded, name: &str) -> String {
        let entry = loaded.report.entries.iter().find(|entry| entry.name == name).unwrap();
        let text = entry.origin.to_string();
        text.rsplit('/').next().unwrap().to_owned()
    }

    #[test]
    fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
        let variables = [("TAILWATER_WORKERS", "5"), ("TAILWATER_CHAT_MODEL", "llama")];
        let file = "workers = 4\nchat_model = 'x'\n\nspeech_voice = 'nova'";
        let loaded = loaded(&["--workers", "6"], variables, file);
        assert_eq!(
            (loaded.settings.workers, origin(&loaded, "workers").as_str()),
            (6, "flag --workers")
        );
        assert_eq!(loaded.settings.chat_model, "llama");
        assert_eq!(origin(&loaded, "chat_model"), "environment TAILWATER_CHAT_MODEL");
        assert_eq!(loaded.settings.speech_voice, "nova");
        assert_eq!(origin(&loaded, "speech_voice"), "tailwater.toml line 4");
        assert_eq!(origin(&loaded, "listen"), "default");
    }

    #[test]
    fn a_variable_of_other_programs_counts_only_where_ours_are_silent() {
        let shared = ("OPENAI_BASE_URL", "http://shared/v1");
        let loaded = loaded(&[], [shared, ("TAILWATER_CHAT_BASE_URL", "http://chat/v1/")], "");
        assert_eq!(loaded.settings.chat_base_url.as_deref(), Some("http://chat/v1"));
        assert_eq!(loaded.settings.speech_base_url.as_deref(), Some("http://shared/v1"));
        assert_eq!(origin(&loaded, "speech_base_url"), "environment OPENAI_BASE_URL");
    }

    #[test]
    fn the_file_wins_over_a_variable_of_other_programs() {
        let shared = [("OPENAI_BASE_URL", "http://shared/v1")];
        let loaded = loaded(&[], shared, "speech_base_url = 'http://own/v1'");
        assert_eq!(loaded.settings.speech_base_url.as_deref(), Some("http://own/v1"));
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let loaded = loaded(&[], [("TAILWATER_LISTEN", ""), ("OPENAI_API_KEY", "")], "");
        assert_eq!(origin(&loaded, "listen"), "default");
        assert!(loaded.settings.openai_api_key.is_none());
    }

    #[test]
    fn a_bad_value_is_one_sentence_wherever_it_stands() {
        let allowed = "it must be a whole number from 0 to 1000";
        assert_eq!(
            refusal(&["--workers", "-1"], [], ""),
            format!("workers cannot be '-1' (flag --workers): {allowed}")
        );
        assert_eq!(
            refusal(&[], [("TAILWATER_WORKERS", "lots")], ""),
            format!("workers cannot be 'lots' (environment TAILWATER_WORKERS): {allowed}")
        );
        assert_eq!(
            refusal(&[], [], "\nworkers = 2000"),
            format!("workers cannot be '2000' (tailwater.toml line 2): {allowed}")
        );
    }

    #[test]
    fn limits_that_do_not_fit_into_each_other_are_refused() {
        assert_eq!(
            refusal(&["--memory-limit", "64M"], [], ""),
            "journal_limit (128M) must not be larger than memory_limit (64M)"
        );
        let error = refusal(&["--event-limit", "2M", "--journal-limit=1M"], [], "");
        assert_eq!(error, "event_limit (2M) must not be larger than journal_limit (1M)");
    }

    #[test]
    fn a_file_that_was_asked_for_must_be_there() {
        let error = refusal(&["--config", "/nowhere/x.toml"], [], "");
        assert!(error.starts_with("the settings file /nowhere/x.toml cannot be read: "), "{error}");
        let variables = Environment::from([("TAILWATER_CONFIG", "/nowhere/y.toml")]);
        let error = load(&Flags::default(), &variables).unwrap_err().to_string();
        assert!(error.contains("/nowhere/y.toml"), "{error}");
    }

    #[test]
    fn a_secret_is_in_no_report_and_in_no_error() {
        let loaded = loaded(&[], [("OPENAI_API_KEY", "sk-very-secret")], "");
        let key = loaded.settings.openai_api_key.as_ref().unwrap();
        assert_eq!(key.expose_secret(), "sk-very-secret");
        let text = loaded.report.to_text();
        assert!(text.contains("set (hidden)"), "{text}");
        for shown in [text, loaded.report.to_json().to_string(), format!("{loaded:?}")] {
            assert!(!shown.contains("very-secret"), "{shown}");
        }
        for error in [
            refusal(&[], [("OPENAI_API_KEY", "very secret")], ""),
            refusal(&[], [], "openai_api_key = 'very secret'"),
            refusal(&["--chat-base-url", "http://me:very secret@host/v1"], [], ""),
        ] {
            assert!(!error.contains("very secret") && error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn a_long_or_broken_value_does_not_break_the_sentence() {
        let error = refusal(&["--listen", &format!("a\nb{}", "x".repeat(500))], [], "");
        assert!(!error.contains('\n') && error.len() < 200, "{error}");
    }

    #[test]
    fn a_slip_in_a_variable_is_noted() {
        let loaded = loaded(
            &[],
            [("TAILWATER_LISTN", "x"), ("TAILWATER_SERVER", "x"), ("TAILWATER_SOMETHING", "x")],
            "",
        );
        assert_eq!(
            loaded.notes,
            [
                "TAILWATER_LISTN is no setting; did you mean TAILWATER_LISTEN?",
                "TAILWATER_SOMETHING is no setting and has no effect",
            ]
        );
    }

    #[test]
    fn every_setting_can_be_given_in_the_file() {
        let line = |setting: &Setting| format!("{} = {:?}\n", setting.name, setting.default);
        let file: String = TABLE.iter().map(line).collect();
        let loaded = loaded(&[], [], &file);
        for entry in &loaded.report.entries {
            assert_ne!(entry.origin, Origin::Default, "{}", entry.name);
        }
    }
}
