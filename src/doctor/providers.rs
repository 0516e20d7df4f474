//! The keys of providers: whether each is there, looks like one, and is taken, by a question that costs
//! nothing.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use reqwest::header::DATE;
use secrecy::{ExposeSecret, SecretString};

use crate::config::Settings;
use crate::provider::registry;

use super::Finding;
use super::clock::Asked;

/// How long a provider may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// In which header the key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    Bearer,
    XKey,
}

/// A question that costs nothing.
#[derive(Clone, Copy, Debug)]
struct Question {
    /// Its path, behind the base URL.
    path: &'static str,
    header: Header,
    /// A header besides the key.
    extra: Option<(&'static str, &'static str)>,
}

impl Question {
    const fn of(path: &'static str, header: Header) -> Option<Self> {
        Some(Self { path, header, extra: None })
    }
}

/// How one provider is asked.
#[derive(Debug)]
struct Provider<'a> {
    name: &'static str,
    /// Where keys are found, for who has none.
    variable: &'static str,
    base_url: String,
    /// Whether that is where everybody finds it.
    is_public: bool,
    key: Option<&'a SecretString>,
    /// Whether the simulator stands in for it.
    is_simulated: bool,
    /// What keys begin with, where the provider says so.
    begins: &'static [&'static str],
    /// A question that only reads; none where none is known.
    question: Option<Question>,
}

/// Where `OpenAI` is.
const OPENAI: &str = "https://api.openai.com/v1";

/// Whether any provider is not simulated, but speech and text.
pub(super) fn are_real(settings: &Settings) -> bool {
    all(settings).iter().any(|it| !matches!(it.name, "chat" | "speech") && it.key.is_some())
}

fn all(settings: &Settings) -> Vec<Provider<'_>> {
    let mut all = vec![
        openai("chat", settings, settings.chat_base_url.as_ref()),
        openai("speech", settings, settings.speech_base_url.as_ref()),
    ];
    all.extend([
        maker(
            settings,
            "replicate",
            settings.replicate_base_url.as_ref(),
            settings.replicate_api_token.as_ref(),
        ),
        maker(settings, "fal", settings.fal_base_url.as_ref(), settings.fal_key.as_ref()),
        maker(
            settings,
            "runway",
            settings.runway_base_url.as_ref(),
            settings.runwayml_api_secret.as_ref(),
        ),
        maker(
            settings,
            "minimax",
            settings.minimax_base_url.as_ref(),
            settings.minimax_api_key.as_ref(),
        ),
        maker(settings, "bfl", settings.bfl_base_url.as_ref(), settings.bfl_api_key.as_ref()),
    ]);
    all
}

fn openai<'a>(name: &'static str, settings: &'a Settings, url: Option<&String>) -> Provider<'a> {
    let key = settings.openai_api_key.as_ref();
    Provider {
        name,
        variable: "OPENAI_API_KEY",
        base_url: url.map_or(OPENAI, String::as_str).to_owned(),
        is_public: url.is_none(),
        key,
        is_simulated: settings.simulator && url.is_none() && key.is_none(),
        begins: if url.is_none() { &["sk-"] } else { &[] },
        question: Question::of("/models", Header::Bearer),
    }
}

fn maker<'a>(
    settings: &Settings,
    name: &'static str,
    url: Option<&String>,
    key: Option<&'a SecretString>,
) -> Provider<'a> {
    let entry = registry::entry(name).expect("it is in the registry");
    let question = match name {
        // A model that is there for everybody: <https://replicate.com/docs/reference/http#models.get>
        "replicate" => Question::of("/models/black-forest-labs/flux-schnell", Header::Bearer),
        // <https://docs.dev.runwayml.com/api/#tag/Organization>
        "runway" => Some(Question {
            path: "/v1/organization",
            header: Header::Bearer,
            extra: Some(("x-runway-version", "2024-11-06")),
        }),
        // The list of one's own work, by the second generation of its API.
        "minimax" => {
            Question::of("/v2/query/video_generation?page_num=1&page_size=1", Header::Bearer)
        }
        "bfl" => Question::of("/v1/credits", Header::XKey),
        // No contract names a question that is free.
        _ => None,
    };
    Provider {
        name,
        variable: entry.key_variable,
        base_url: url.map_or(entry.base_url, String::as_str).trim_end_matches('/').to_owned(),
        is_public: url.is_none(),
        key,
        is_simulated: settings.simulator && url.is_none() && key.is_none(),
        begins: match (name, url) {
            ("replicate", None) => &["r8_"],
            ("runway", None) => &["key_"],
            _ => &[],
        },
        question,
    }
}

/// Looks at each key, and asks each provider that can be asked; gives their clocks.
pub(super) async fn check(settings: &Settings) -> (Vec<Finding>, Vec<Asked>) {
    let all = all(settings);
    let (simulated, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.is_simulated);
    let asked = join_all(others.iter().map(look)).await;
    let (mut findings, mut clocks) = (Vec::new(), Vec::new());
    if !simulated.is_empty() {
        let names: Vec<_> = simulated.iter().map(|it| it.name).collect();
        let text = format!("simulated, for want of a key: {}", names.join(", "));
        findings.push(Finding::good("providers", text));
    }
    for (finding, clock) in asked {
        findings.push(finding);
        clocks.extend(clock);
    }
    (findings, clocks)
}

async fn look(provider: &Provider<'_>) -> (Finding, Option<Asked>) {
    let check = format!("providers.{}", provider.name);
    if let Some(finding) = plain(provider, &check) {
        return (finding, None);
    }
    let Some(question) = provider.question else {
        let why = "a key is there; no question is known that costs nothing";
        return (Finding::not_checked(check, why), None);
    };
    let before = SystemTime::now();
    let answer = ask(provider, question).await;
    let after = SystemTime::now();
    let (status, date) = match answer {
        Ok(answer) => answer,
        Err(why) => {
            let text = format!("nobody answers at {}: {why}", provider.base_url);
            return (Finding::fault(check, text), None);
        }
    };
    let clock = date.and_then(|date| Asked::of_date(&provider.base_url, &date, before, after));
    (judge(provider, check, status), clock)
}

/// What can be said without asking.
fn plain(provider: &Provider<'_>, check: &str) -> Option<Finding> {
    let variable = provider.variable;
    let Some(key) = provider.key else {
        return (provider.is_public || provider.question.is_none()).then(|| {
            let text = format!("no key: its jobs fail; set {variable}");
            Finding::warning(check, text)
        });
    };
    let key = key.expose_secret();
    let is_odd = key.len() < 8
        || key.trim() != key
        || key.contains(char::is_whitespace)
        || key.starts_with(['"', '\''])
        || ["changeme", "your-", "your_", "xxxxxx"]
            .iter()
            .any(|it| key.to_lowercase().contains(it));
    if is_odd {
        return Some(Finding::fault(
            check,
            format!("what is in {variable} does not look like a key"),
        ));
    }
    let begins = provider.begins;
    if !begins.is_empty() && !begins.iter().any(|begin| key.starts_with(begin)) {
        let text = format!("what is in {variable} does not begin with {}", begins.join(" or "));
        return Some(Finding::warning(check, text));
    }
    None
}

async fn ask(
    provider: &Provider<'_>,
    Question { path, header, extra }: Question,
) -> Result<(u16, Option<String>), String> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("tailwater-doctor/", env!("CARGO_PKG_VERSION")))
        .timeout(ANSWER)
        .build()
        .map_err(|error| error.to_string())?;
    let mut request = client.get(format!("{}{path}", provider.base_url.trim_end_matches('/')));
    if let Some(key) = provider.key {
        request = match header {
            Header::Bearer => request.bearer_auth(key.expose_secret()),
            Header::XKey => request.header("x-key", key.expose_secret()),
        };
    }
    if let Some((name, value)) = extra {
        request = request.header(name, value);
    }
    let response = request.send().await.map_err(|error| {
        if error.is_timeout() { "it took too long".to_owned() } else { "no connection".to_owned() }
    })?;
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    Ok((response.status().as_u16(), date.map(str::to_owned)))
}

fn judge(provider: &Provider<'_>, check: String, status: u16) -> Finding {
    let (variable, url) = (provider.variable, &provider.base_url);
    let finding = match (status, provider.key.is_some()) {
        (200..=299, true) => Finding::good(check, format!("{url} takes the key")),
        (200..=299, false) => Finding::good(check, format!("{url} answers, without a key")),
        (401 | 403, true) => {
            Finding::fault(check, format!("{url} refuses the key in {variable} (status {status})"))
        }
        (401 | 403, false) => {
            Finding::fault(check, format!("{url} wants a key (status {status}); set {variable}"))
        }
        (402, _) => {
            Finding::warning(check, format!("{url} takes the key, and nothing is left to spend"))
        }
        (429, _) => {
            Finding::warning(check, format!("{url} has had too many requests (status 429)"))
        }
        (500..=599, _) => Finding::warning(check, format!("{url} is not well (status {status})")),
        _ => Finding::not_checked(check, format!("{url} answers a question with status {status}")),
    };
    finding.with("status", status)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[tokio::test]
    async fn without_keys_nobody_is_asked_and_all_are_simulated() {
        let (findings, clocks) = check(&Settings::default()).await;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].text.contains("replicate") && clocks.is_empty());
    }

    #[test]
    fn a_key_that_is_none_is_told_without_being_shown() {
        let of = |key: &str| {
            let settings = Settings { openai_api_key: Some(key.into()), ..Settings::default() };
            plain(&openai("chat", &settings, None), "x").map(|finding| {
                assert!(!finding.text.contains(key), "{}", finding.text);
                finding.verdict
            })
        };
        assert_eq!(of("sk-0123456789abcdef"), None);
        assert_eq!(of("sk-01xXx6789abcdef"), None, "chance has made worse");
        assert_eq!(of("0123456789abcdef"), Some(Verdict::Warning));
        for wrong in
            ["sk-1", "\"sk-0123456789\"", "sk-0123456789 ", "sk-your-key-here", "sk-xxxxxxxxxx"]
        {
            assert_eq!(of(wrong), Some(Verdict::Fault), "{wrong}");
        }
    }

    #[test]
    fn what_a_provider_answers_tells_how_the_key_is() {
        let settings = Settings { bfl_api_key: Some("0123456789".into()), ..Settings::default() };
        let bfl = maker(&settings, "bfl", None, settings.bfl_api_key.as_ref());
        let of = |status| judge(&bfl, "x".to_owned(), status).verdict;
        assert_eq!((of(200), of(403), of(402)), (Verdict::Good, Verdict::Fault, Verdict::Warning));
        assert_eq!((of(429), of(404)), (Verdict::Warning, Verdict::NotChecked));
    }
}
