//! Whether anybody answers, and in which version of HTTP.

use http::Version;

use super::super::super::Finding;
use super::super::proxy::Proxy;
use super::super::reach::Reached;
use super::super::remedy::Trouble;
use super::super::way::Way;
use super::weak;

/// Whether it is the server that answers at an address.
pub(in super::super) fn reach(
    check: &str,
    way: &Way,
    answer: &Result<Reached, String>,
    proxy: Option<Proxy>,
) -> Finding {
    let base = way.base();
    let by = proxy.map_or_else(String::new, |proxy| format!(", by way of {}", proxy.name()));
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => return Finding::fault(check, format!("nobody answers at {base}: {why}")),
    };
    if let Some(to) = answer.redirect() {
        return Finding::fault(check, format!("{base} only points to {to}: name that address"));
    }
    if let Some((code, detail)) = answer.problem().filter(|_| answer.status == 421) {
        let text = format!(
            "the server does not know the name of {base} ({code}: {detail}); \
             start it with --public-url {base}"
        );
        return Finding::fault(check, text);
    }
    let is_ours = answer.json().is_some_and(|json| json["ready"].is_boolean());
    match answer.status {
        200 if is_ours => Finding::good(check, format!("the server answers at {base}{by}")),
        503 if is_ours => {
            let json = answer.json().unwrap_or_default();
            let reason = json["reason"].as_str().unwrap_or("it does not say why").to_owned();
            Finding::fault(check, format!("the server at {base} takes no jobs: {reason}"))
        }
        status @ (502..=504 | 521..=524) => Finding::fault(
            check,
            format!("whoever is at {base}{by} does not reach the server (status {status})"),
        ),
        status => Finding::fault(
            check,
            format!("what answers at {base}{by} is no Tailwater (status {status} at /readyz)"),
        ),
    }
}

/// In which version of HTTP browsers are answered.
pub(in super::super) fn version(way: &Way, version: Version, proxy: Option<Proxy>) -> Finding {
    const CHECK: &str = "path.version";
    let name = format!("{version:?}");
    let finding = match (way.is_tls(), version) {
        (true, Version::HTTP_2 | Version::HTTP_3) => {
            Finding::good(CHECK, format!("{name}: a browser has as many streams as it likes"))
        }
        (true, _) => {
            let text =
                format!("{name}: a browser has six streams to a site at most, over all tabs");
            weak(CHECK, text, Trouble::Version, proxy)
        }
        (false, _) if way.is_local() => {
            Finding::good(CHECK, format!("{name} without TLS, on this machine"))
        }
        (false, _) => Finding::warning(
            CHECK,
            format!(
                "{name} without TLS: keys can be read on the way, and a browser has six streams to a \
                 site at most"
            ),
        ),
    };
    finding.with("version", name)
}

#[cfg(test)]
mod tests {
    use super::super::super::super::Verdict;
    use super::*;
    use http::HeaderMap;

    fn way(url: &str) -> Way {
        rustls::crypto::ring::default_provider().install_default().ok();
        Way::new("url", url, None).unwrap()
    }

    fn answer(status: u16, body: &str) -> Result<Reached, String> {
        let (version, headers) = (Version::HTTP_11, HeaderMap::new());
        Ok(Reached { status, version, headers, body: body.to_owned(), clock: None })
    }

    #[test]
    fn who_answers_is_told_from_who_stands_before_it() {
        let way = way("http://127.0.0.1:1");
        let judge = |answer| reach("path.reach", &way, &answer, Some(Proxy::Nginx));
        assert_eq!(judge(answer(200, r#"{"ready": true}"#)).verdict, Verdict::Good);
        for (answer, words) in [
            (answer(200, "<html>"), "no Tailwater"),
            (answer(502, "<center>nginx"), "nginx does not reach"),
            (answer(503, r#"{"ready": false, "reason": "database"}"#), "database"),
            (answer(421, r#"{"code": "wrong_host", "detail": "x"}"#), "--public-url"),
            (Err("connection refused".to_owned()), "nobody answers"),
        ] {
            let finding = judge(answer);
            assert_eq!(finding.verdict, Verdict::Fault);
            assert!(finding.text.contains(words), "{}", finding.text);
        }
    }

    #[test]
    fn six_streams_are_few_only_where_there_could_be_more() {
        let of = |url, of| version(&way(url), of, None).verdict;
        assert_eq!(of("https://example.org", Version::HTTP_2), Verdict::Good);
        assert_eq!(of("https://example.org", Version::HTTP_11), Verdict::Warning);
        assert_eq!(of("http://127.0.0.1", Version::HTTP_11), Verdict::Good);
        assert_eq!(of("http://example.org", Version::HTTP_11), Verdict::Warning);
    }
}
