//! What the simulator speaks with: a program that turns text into a WAV file, or a tone.

use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::sound::Sound;

/// How many programs speak at once: one a core of a small machine.
const MAX_PROCESSES: usize = 2;

/// How long a program may take. A request's 4096 characters take under two seconds in a release
/// build; digits, at a quarter of the speed and unoptimised, take a minute.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How much a program may write, in bytes: 25 minutes of sound.
const MAX_BYTES: u64 = 64 << 20;

/// The languages that `tailwater-voice` is built with (the features in `voice/Cargo.toml`); text
/// in another language is read out in English.
const LANGUAGES: [&str; 9] = ["de", "en", "es", "fr", "it", "nl", "pl", "pt", "sv"];

/// `OpenAI`'s voices, each with its height for `espeak-ng`, 0 to 99.
const CAST: [(&str, u8); 13] = [
    ("alloy", 50),
    ("ash", 38),
    ("ballad", 46),
    ("cedar", 30),
    ("coral", 64),
    ("echo", 42),
    ("fable", 58),
    ("marin", 62),
    ("nova", 70),
    ("onyx", 20),
    ("sage", 54),
    ("shimmer", 78),
    ("verse", 34),
];

/// What speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voice {
    /// Our own program, `tailwater-voice`.
    Bundled(PathBuf),
    /// The system's `espeak-ng`.
    System(PathBuf),
    /// No program was found: a test tone, as long as the speech would be.
    Tone,
}

impl Voice {
    /// Looks for `tailwater-voice` beside this program and one folder up (test programs live in
    /// `target/*/deps`), then for `espeak-ng` on the `PATH`, and else settles for the tone.
    #[must_use]
    pub fn find() -> Self {
        let program = std::env::current_exe().unwrap_or_default();
        let folders = program.ancestors().skip(1).take(2);
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Some(bundled) = find_in(folders.map(Path::to_owned), "tailwater-voice") {
            Self::Bundled(bundled)
        } else if let Some(system) = find_in(std::env::split_paths(&path), "espeak-ng") {
            Self::System(system)
        } else {
            Self::Tone
        }
    }

    /// One sentence for the banner, the log and the page. For a tone it says how to get a voice.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Bundled(path) => format!("Speech is made by {}.", path.display()),
            Self::System(path) => format!("Speech is made by espeak-ng ({}).", path.display()),
            Self::Tone => "Speech is only a test tone, because no voice was found: build \
                           tailwater-voice with `cargo build --release`, or install espeak-ng."
                .to_owned(),
        }
    }

    /// The command that reads text from its standard input and writes a WAV file to its standard
    /// output; `None` for the tone.
    fn command(&self, line: &Line, scratch: &Scratch) -> Option<Command> {
        let (name, pitch) = line.actor();
        match self {
            Self::Bundled(path) => {
                let mut command = Command::new(path);
                command.args(["--voice", name, "--language", &line.language()]);
                command.args(["--speed", &line.speed.to_string()]);
                command.arg("--scratch").arg(&scratch.0);
                Some(command)
            }
            Self::System(path) => {
                let words_per_minute = (175.0 * line.speed).round();
                let mut command = Command::new(path);
                command.args(["-b", "1", "--stdin", "--stdout", "-v", &line.language()]);
                command.args(["-p", &pitch.to_string(), "-s", &words_per_minute.to_string()]);
                Some(command)
            }
            Self::Tone => None,
        }
    }
}

fn find_in(mut folders: impl Iterator<Item = PathBuf>, name: &str) -> Option<PathBuf> {
    let file = format!("{name}{EXE_SUFFIX}");
    folders.find_map(|folder| Some(folder.join(&file)).filter(|path| path.is_file()))
}

/// One thing to say.
#[derive(Debug)]
pub(super) struct Line {
    /// Plain text.
    pub(super) text: String,
    /// Who says it: one of `OpenAI`'s names; `alloy` stands in for any other.
    pub(super) voice: String,
    /// A language tag such as `de` or `pt-BR`.
    pub(super) language: String,
    /// 0.25 to 4; 1 is normal.
    pub(super) speed: f64,
}

impl Line {
    fn actor(&self) -> (&'static str, u8) {
        let voice = self.voice.to_ascii_lowercase();
        CAST.into_iter().find(|(name, _)| *name == voice).unwrap_or(CAST[0])
    }

    /// A language that is sure to be spoken.
    fn language(&self) -> String {
        let tag = self.language.to_ascii_lowercase();
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        let spoken = LANGUAGES.into_iter().find(|spoken| *spoken == language);
        spoken.unwrap_or("en").to_owned()
    }
}

/// Why there is no sound. Logged, and told to the client as an error of the server.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("running {program}: {source}")]
    Run { program: String, source: std::io::Error },
    #[error("the voice ended with {status}: {message}")]
    Failed { status: ExitStatus, message: String },
    #[error("the voice took longer than {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("the voice wrote more than {MAX_BYTES} bytes")]
    TooLong,
    #[error("the voice wrote {0} bytes that are no WAV file")]
    NoWav(usize),
}

/// Speaks, a few lines at a time.
#[derive(Debug)]
pub(super) struct Studio {
    voice: Voice,
    permits: Semaphore,
}

impl Studio {
    pub(super) fn new(voice: Voice) -> Self {
        Self { voice, permits: Semaphore::new(MAX_PROCESSES) }
    }

    pub(super) fn voice(&self) -> &Voice {
        &self.voice
    }

    /// Speaks one line. Text without words is silence.
    ///
    /// # Errors
    /// When the program cannot be run, fails, or exceeds its time or its bytes.
    ///
    /// # Cancel safety
    /// A call that is dropped kills its program.
    pub(super) async fn speak(&self, line: &Line) -> Result<Sound, Error> {
        if line.text.trim().is_empty() {
            return Ok(Sound::silence());
        }
        let scratch = Scratch::new();
        let Some(command) = self.voice.command(line, &scratch) else {
            return Ok(Sound::tone(&line.text, line.actor().0, line.speed));
        };
        let _permit = self.permits.acquire().await.expect("this semaphore is never closed");
        let run = run(command, line.text.as_bytes());
        let file = tokio::time::timeout(TIMEOUT, run).await.map_err(|_| Error::Timeout)??;
        Sound::from_wav(&file).ok_or(Error::NoWav(file.len()))
    }
}

/// Runs a program that turns its standard input into its standard output.
async fn run(mut command: Command, input: &[u8]) -> Result<Vec<u8>, Error> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let failed = |source| Error::Run { program: program.clone(), source };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().map_err(failed)?;

    let (output, message) = converse(&mut child, input, failed).await?;
    let status = child.wait().await.map_err(failed)?;
    if status.success() {
        Ok(output)
    } else {
        let message = String::from_utf8_lossy(&message).trim().to_owned();
        Err(Error::Failed { status, message })
    }
}

/// Writes and reads at the same time, so that neither side waits for the other with a full pipe.
async fn converse(
    child: &mut Child,
    input: &[u8],
    failed: impl Fn(std::io::Error) -> Error,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let stdout = child.stdout.take().expect("stdout is piped");
    let stderr = child.stderr.take().expect("stderr is piped");
    let (mut output, mut message) = (Vec::new(), Vec::new());
    let write = async move {
        // A program that refuses to read says why on its standard error.
        let _ = stdin.write_all(input).await;
        Ok(())
    };
    let read = async {
        let length = stdout.take(MAX_BYTES + 1).read_to_end(&mut output).await.map_err(&failed)?;
        // An error ends the other two: the program is blocked by now and would not.
        if length as u64 > MAX_BYTES { Err(Error::TooLong) } else { Ok(()) }
    };
    let listen = async {
        stderr.take(4096).read_to_end(&mut message).await.map_err(&failed)?;
        Ok(())
    };
    tokio::try_join!(write, read, listen)?;
    Ok((output, message))
}

/// The folder where `tailwater-voice` is told to put its temporary files. The program makes and
/// removes it; when this value is dropped, it is removed if it is still there, because a program that
/// is killed cannot tidy up after itself. Between the two, no crash of either leaves it behind.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("tailwater-voice-{}", uuid::Uuid::now_v7().simple());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::debug!(path = %self.0.display(), %error, "a temporary folder stays behind");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line { text: text.into(), voice: "nova".into(), language: "fr-CA".into(), speed: 1.0 }
    }

    #[test]
    fn only_known_names_reach_a_programs_command_line() {
        let line =
            Line { voice: "--help".into(), language: "../x".into(), text: "x".into(), speed: 0.5 };
        let scratch = Scratch("scratch".into());
        let command = Voice::Bundled("voice".into()).command(&line, &scratch).unwrap();
        let arguments: Vec<_> = command.as_std().get_args().collect();
        let expected = ["--voice", "alloy", "--language", "en", "--speed", "0.5"];
        assert_eq!(arguments[..6], expected);
        assert_eq!(arguments[6..], ["--scratch", "scratch"]);
    }

    #[test]
    fn what_a_killed_program_left_is_removed() {
        let scratch = Scratch::new();
        let path = scratch.0.clone();
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("left"), "").unwrap();
        drop(scratch);
        assert!(!path.exists());
        drop(Scratch(path)); // and nothing is fine as well
    }

    #[test]
    fn a_tone_says_how_to_get_a_voice() {
        let sentence = Voice::Tone.describe();
        for word in ["tone", "cargo build --release", "espeak-ng"] {
            assert!(sentence.contains(word), "{sentence}");
        }
    }

    #[tokio::test]
    async fn without_a_program_there_is_a_tone_and_for_no_text_silence() {
        let studio = Studio::new(Voice::Tone);
        assert_ne!(studio.speak(&line("hello")).await.unwrap(), Sound::silence());
        assert_eq!(studio.speak(&line(" \n")).await.unwrap(), Sound::silence());
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_an_error() {
        let studio = Studio::new(Voice::Bundled("no/such/program".into()));
        assert!(matches!(studio.speak(&line("hello")).await, Err(Error::Run { .. })));
    }

    #[cfg(unix)]
    mod with_a_shell {
        use super::*;

        async fn run_shell(script: &str, input: &[u8]) -> Result<Vec<u8>, Error> {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            run(command, input).await
        }

        #[tokio::test]
        async fn text_and_sound_pass_through_full_pipes() {
            let input = vec![b'x'; 1 << 20];
            assert_eq!(run_shell("cat", &input).await.unwrap(), input);
        }

        #[tokio::test]
        async fn a_program_that_fails_is_quoted() {
            let error = run_shell("echo no voice >&2; exit 2", &[0; 1 << 20]).await.unwrap_err();
            assert!(error.to_string().contains("no voice"), "{error}");
        }

        #[tokio::test]
        async fn a_program_that_writes_without_end_is_stopped() {
            let error = run_shell("cat /dev/zero", b"").await.unwrap_err();
            assert!(matches!(error, Error::TooLong), "{error}");
        }
    }
}
