//! Settings that a start would refuse, and some that are odd.

use std::time::Duration;

use crate::config::{Loaded, Settings};
use crate::server;

use super::Finding;

const CHECK: &str = "settings";

/// How long many proxies keep a connection that nobody uses; who ends it before them loses requests.
const PROXY_KEEPS: Duration = Duration::from_secs(60);

/// How long many proxies wait for an answer.
const PROXY_WAITS: Duration = Duration::from_secs(30);

/// Looks at all of them.
pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let mut findings: Vec<_> =
        loaded.notes.iter().map(|note| Finding::warning(CHECK, note.clone())).collect();
    if let Err(error) = server::check(&loaded.settings) {
        findings.push(Finding::fault(CHECK, error.to_string()));
    }
    findings.extend(odd(&loaded.settings));
    let is_well = findings.is_empty();
    if loaded.settings.events.is_some() {
        let why = "the event log of the cluster; a running server's /readyz says whether it has it";
        findings.push(Finding::not_checked("events", why));
    }
    if is_well {
        findings.push(Finding::good(CHECK, "a server would start with them; none is odd"));
    }
    findings
}

/// What is allowed, and perhaps not meant.
fn odd(settings: &Settings) -> Vec<Finding> {
    let is_public = !settings.listen.ip().is_loopback() || settings.public_url.is_some();
    let real = super::providers::are_real(settings);
    let speaks = settings.openai_api_key.is_some()
        || settings.chat_base_url.is_some()
        || settings.speech_base_url.is_some();
    let is_http = settings.public_url.as_ref().is_some_and(|url| url.starts_with("http://"));
    let questions = [
        (
            is_public && (settings.webhook_allow_private || settings.upload_allow_private),
            "webhook_allow_private and upload_allow_private are for development: whoever submits a job can \
             reach what only this machine reaches",
        ),
        (
            real && settings.public_url.is_none(),
            "providers cannot call back without public_url: their work is polled, which takes longer to \
             notice that it is done",
        ),
        (
            is_http && is_public && !is_local(settings.public_url.as_deref()),
            "public_url begins with http://: keys, tickets and cookies can be read on the way",
        ),
        (
            settings.webhook_url.is_some() && settings.webhook_secret.is_none(),
            "webhook_url is set and TAILWATER_WEBHOOK_SECRET is not: the server will not start",
        ),
        (
            is_public && settings.idle_timeout <= PROXY_KEEPS,
            "idle_timeout is not longer than the 60 s that proxies keep connections: now and then one sends \
             a request over a connection that ends in that moment, and answers 502",
        ),
        (
            settings.lipsync_wait > PROXY_WAITS,
            "lipsync_wait is longer than many proxies wait for an answer",
        ),
        (
            !settings.simulator && !real && !speaks,
            "the simulator is off and no provider has a key: every job but external ones will fail",
        ),
        (
            settings.workers == 0,
            "workers is 0: this server takes jobs and runs none but external ones",
        ),
        (
            settings.public_url.is_some()
                && settings.trusted_proxies.is_empty()
                && settings.tls_cert.is_none(),
            "no trusted_proxies: if a proxy on another machine stands before this server, all clients \
             count as one address",
        ),
    ];
    let odd = questions.into_iter().filter(|(is_odd, _)| *is_odd);
    odd.map(|(_, text)| Finding::warning(CHECK, text)).collect()
}

fn is_local(url: Option<&str>) -> bool {
    url.is_some_and(|url| {
        url.contains("//localhost") || url.contains("//127.") || url.contains("//[::1]")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(change: impl Fn(&mut Settings)) -> Vec<String> {
        let mut settings = Settings::default();
        change(&mut settings);
        odd(&settings).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn what_comes_with_the_server_is_not_odd() {
        assert_eq!(texts(|_| {}), [""; 0]);
    }

    #[test]
    fn who_has_a_text_model_makes_posts_without_a_simulator() {
        for set in [
            |it: &mut Settings| it.openai_api_key = Some("sk-0123456789".into()),
            |it: &mut Settings| it.chat_base_url = Some("http://127.0.0.1:1".parse().unwrap()),
            |it: &mut Settings| it.speech_base_url = Some("http://127.0.0.1:1".parse().unwrap()),
        ] {
            let said = texts(|it| {
                it.simulator = false;
                set(it);
            });
            assert_eq!(said, [""; 0]);
        }
    }

    #[test]
    fn what_is_odd_is_told() {
        let public = |settings: &mut Settings| settings.listen.set_ip([0, 0, 0, 0].into());
        for (said, expected) in [
            (texts(|it| it.workers = 0), "workers is 0"),
            (texts(|it| it.simulator = false), "the simulator is off"),
            (texts(|it| it.lipsync_wait = Duration::from_secs(90)), "lipsync_wait"),
            (texts(|it| it.webhook_url = Some("https://a".into())), "WEBHOOK_SECRET"),
            (texts(|it| it.fal_key = Some("a:b".into())), "cannot call back"),
            (
                texts(|it| {
                    public(it);
                    it.upload_allow_private = true;
                }),
                "for development",
            ),
            (
                texts(|it| {
                    public(it);
                    it.idle_timeout = Duration::from_secs(30);
                }),
                "502",
            ),
            (texts(|it| it.public_url = Some("https://a".into())), "trusted_proxies"),
        ] {
            assert!(said.len() == 1 && said[0].contains(expected), "{expected}: {said:?}");
        }
    }
}
