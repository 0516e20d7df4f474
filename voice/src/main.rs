//! `tailwater-voice`: text on standard input, a WAV file on standard output.
//!
//! The voice of Tailwater's simulator. It is a program of its own, not a
//! library, because the engine it is built on is GPL-3.0-or-later: the server
//! runs it and talks to it by pipe, and keeps its own licence.
//!
//! The text is read whole and checked before anything is unpacked, and the
//! sound is complete before its first byte is written: whoever reads the pipe
//! gets a correct file or none.

mod arguments;
mod cast;
mod data;
mod speech;
mod text;
mod wav;

use std::io::{self, Read, Write};
use std::process::ExitCode;

use arguments::{Command, Request};

fn main() -> ExitCode {
    // A panic of the engine becomes an error, and its message our one sentence.
    std::panic::set_hook(Box::new(|_| {}));
    let answer = run(std::env::args().skip(1), io::stdin().lock(), io::stdout().lock());
    match answer {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be listening any more; the exit code still tells.
            let _ = writeln!(io::stderr(), "tailwater-voice: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// The whole program, with its three ends as parameters so that tests can
/// hold them.
fn run(
    arguments: impl Iterator<Item = String>,
    input: impl Read,
    mut output: impl Write,
) -> Result<(), Error> {
    match arguments::parse(arguments)? {
        Command::Help => output.write_all(arguments::help().as_bytes())?,
        Command::Version => writeln!(output, "tailwater-voice {}", env!("CARGO_PKG_VERSION"))?,
        Command::Speak(request) => speak(&request, input, &mut output)?,
    }
    Ok(output.flush()?)
}

/// Reads the text, speaks it, writes the file.
fn speak(request: &Request, input: impl Read, output: &mut impl Write) -> Result<(), Error> {
    let text = text::read(input)?;
    if text.trim().is_empty() {
        return Ok(wav::write_header(output, 0)?);
    }
    let folder = data::Folder::unpack(&request.language, request.scratch.as_deref())?;
    let sound = speech::spool(request, &text, folder.path())?;
    wav::write_header(output, sound.bytes)?;
    io::copy(&mut { sound.file }, output)?;
    Ok(())
}

/// Why there is no speech. The message is the program's one sentence on
/// standard error.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The command line is wrong.
    #[error("{0} (see --help)")]
    Arguments(String),
    /// The text cannot be spoken: too long, or not UTF-8.
    #[error("{0}")]
    Text(String),
    /// The engine refused what passed our own checks.
    #[error("the speech engine failed: {0}")]
    Engine(#[from] espeak_ng::Error),
    /// The engine has a bug that this text brings out.
    #[error("the speech engine stumbled over this text")]
    Panic,
    /// A pipe or the temporary folder failed.
    #[error("reading or writing failed: {0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// 2 where the caller must change something, 1 where this machine failed.
    fn exit_code(&self) -> u8 {
        match self {
            Error::Arguments(_) | Error::Text(_) => 2,
            Error::Engine(_) | Error::Panic | Error::Io(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(arguments: &[&str], text: &str) -> Result<Vec<u8>, Error> {
        let mut output = Vec::new();
        let arguments = arguments.iter().map(ToString::to_string);
        run(arguments, text.as_bytes(), &mut output).map(|()| output)
    }

    fn sizes(file: &[u8]) -> (usize, usize) {
        let size = |at: usize| {
            u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize
        };
        (size(4), size(40))
    }

    #[test]
    fn a_sentence_becomes_a_wav_file_with_true_sizes() {
        let file = run_with(&[], "The water just below a dam is its tailwater.").unwrap();
        assert_eq!(&file[..4], b"RIFF");
        assert_eq!(&file[8..16], b"WAVEfmt ");
        assert_eq!(sizes(&file), (file.len() - 8, file.len() - 44));
        let seconds = (file.len() - 44) as f64 / 44_100.0;
        assert!((1.5..6.0).contains(&seconds), "{seconds} s");
    }

    #[test]
    fn empty_text_is_a_valid_file_without_samples() {
        for text in ["", " \n\t "] {
            let file = run_with(&[], text).unwrap();
            assert_eq!((file.len(), sizes(&file)), (44, (36, 0)));
        }
    }

    #[test]
    fn every_voice_sounds_different() {
        let mut seen = std::collections::HashMap::new();
        for name in cast::NAMES {
            let file = run_with(&["--voice", name], "Good morning.").unwrap();
            assert!(file.len() > 10_000, "{name} says next to nothing");
            if let Some(other) = seen.insert(file, name) {
                panic!("{name} sounds like {other}");
            }
        }
    }

    #[test]
    fn every_language_speaks() {
        for language in data::LANGUAGES {
            let file = run_with(&["--language", language], "Radio 3, metro, taxi.").unwrap();
            assert!(file.len() > 20_000, "{language} says next to nothing");
        }
    }

    #[test]
    fn regions_speak_as_well() {
        for language in ["en-us", "en-GB", "pt_BR", "de-CH"] {
            assert!(run_with(&["--language", language], "Taxi.").unwrap().len() > 5_000);
        }
    }

    #[test]
    fn the_speed_changes_the_length_over_its_whole_range() {
        let length = |speed| {
            let file = run_with(&["--speed", speed], "One, two, three, four, five.").unwrap();
            file.len()
        };
        let normal = length("1");
        assert!(length("0.25") > 3 * normal);
        assert!(length("4") < normal / 2);
    }

    #[test]
    fn bad_input_is_one_sentence_and_exit_code_2() {
        let long = "a".repeat(text::MAX_CHARACTERS + 1);
        let bad: [(&[&str], &str); 7] = [
            (&["--voice", "loud"], "x"),
            (&["--language", "../../etc"], "x"),
            (&["--language", "tlh"], "x"),
            (&["--speed", "5"], "x"),
            (&["--speed", "fast"], "x"),
            (&["--sing"], "x"),
            (&[], &long),
        ];
        for (arguments, text) in bad {
            let error = run_with(arguments, text).expect_err("refused");
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn text_that_is_not_utf_8_is_refused() {
        let error = run(std::iter::empty(), &b"caf\xe9"[..], Vec::new()).expect_err("refused");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn words_without_end_are_spoken_in_parts() {
        for word in ["a", "www.", "é"] {
            let file = run_with(&[], &word.repeat(120)).unwrap();
            assert!(file.len() > 10_000, "{word}");
        }
    }

    #[test]
    fn text_that_looks_like_an_option_is_only_text() {
        assert!(run_with(&[], "--help").unwrap().starts_with(b"RIFF"));
    }
}
