//! The command line: few enough options to read by hand.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::cast::{self, Actor};
use crate::{Error, data};

/// How much faster than normal the voice may speak; the range of `OpenAI`'s
/// `speed`.
const SPEED: RangeInclusive<f64> = 0.25..=4.0;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// Anything else: speak what comes in.
    Speak(Request),
}

/// How to speak.
#[derive(Debug)]
pub(crate) struct Request {
    /// A tag that is bundled, in lower case: `de`, `en-us`.
    pub(crate) language: String,
    /// Who speaks.
    pub(crate) actor: &'static Actor,
    /// How many times faster than normal.
    pub(crate) speed: f64,
    /// Where the engine's data is unpacked; a folder of its own if absent.
    pub(crate) scratch: Option<PathBuf>,
}

/// Reads the arguments, the program's own name not among them.
///
/// Options take their value as the next argument or after `=`; the last one
/// of a kind wins.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, Error> {
    let mut request =
        Request { language: "en".to_owned(), actor: cast::narrator(), speed: 1.0, scratch: None };
    while let Some(argument) = arguments.next() {
        let (name, given) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let mut value = || {
            given
                .clone()
                .or_else(|| arguments.next())
                .ok_or_else(|| Error::Arguments(format!("{name} needs a value")))
        };
        match name {
            "--help" | "-h" => return Ok(Command::Help),
            "--version" | "-V" => return Ok(Command::Version),
            "--language" => request.language = language(&value()?)?,
            "--voice" => choose_voice(&mut request, &value()?)?,
            "--scratch" => request.scratch = Some(value()?.into()),
            "--speed" => request.speed = speed(&value()?)?,
            _ => return Err(Error::Arguments(format!("unknown argument {argument:?}"))),
        }
    }
    Ok(Command::Speak(request))
}

/// A voice is one of the cast, or a language tag.
fn choose_voice(request: &mut Request, name: &str) -> Result<(), Error> {
    if let Some(actor) = cast::find(name) {
        request.actor = actor;
    } else if let Some(tag) = data::find_tag(name) {
        request.language = tag;
    } else {
        return Err(Error::Arguments(format!(
            "no voice is called {name:?}; there are {}, or a language tag",
            cast::NAMES.join(", ")
        )));
    }
    Ok(())
}

fn language(tag: &str) -> Result<String, Error> {
    data::find_tag(tag).ok_or_else(|| {
        Error::Arguments(format!(
            "no voice speaks {tag:?}; there are {}",
            data::LANGUAGES.join(", ")
        ))
    })
}

fn speed(value: &str) -> Result<f64, Error> {
    let speed = value.parse().ok().filter(|speed| SPEED.contains(speed));
    speed.ok_or_else(|| {
        Error::Arguments(format!(
            "speed {value:?} is not a number from {} to {}",
            SPEED.start(),
            SPEED.end()
        ))
    })
}

/// The text of `--help`.
pub(crate) fn help() -> String {
    format!(
        "\
Reads text from standard input and writes it, spoken, to standard output as a
WAV file (22,050 Hz, 16 bits, mono).

Usage: tailwater-voice [OPTIONS] < text.txt > speech.wav

Options:
      --voice <NAME>    Who speaks: a name, or a language tag [default: alloy]
                        ({first_voices},
                        {last_voices})
      --language <TAG>  What is spoken: {languages},
                        or one of their regions such as en-us [default: en]
      --speed <FACTOR>  {slowest} (slow) to {fastest} (fast) [default: 1]
      --scratch <PATH>  Folder to make for temporary files, gone at the end
                        [default: one in the system's temporary folder]
  -h, --help            Print this help
  -V, --version         Print the version
",
        first_voices = cast::NAMES[..7].join(", "),
        last_voices = cast::NAMES[7..].join(", "),
        languages = data::LANGUAGES.join(", "),
        slowest = SPEED.start(),
        fastest = SPEED.end(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Request {
        match parse(line.split_whitespace().map(str::to_owned)) {
            Ok(Command::Speak(request)) => request,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_voice_is_a_name_or_a_language() {
        let named = request("--voice Nova --language fr");
        assert_eq!((named.actor.name, named.language.as_str()), ("nova", "fr"));
        let tag = request("--voice=de");
        assert_eq!((tag.actor.name, tag.language.as_str()), ("alloy", "de"));
    }

    #[test]
    fn an_option_without_its_value_is_refused() {
        assert!(parse(["--speed".to_owned()].into_iter()).is_err());
    }

    #[test]
    fn a_speed_that_is_not_a_number_is_refused() {
        for value in ["NaN", "inf", "-1", "0.2", "4.1", ""] {
            assert!(speed(value).is_err(), "{value}");
        }
    }

    #[test]
    fn the_help_names_every_voice_and_language() {
        let help = help();
        let mut names = cast::NAMES.iter().chain(data::LANGUAGES);
        assert!(names.all(|name| help.contains(name)), "{help}");
    }
}
