//! Coming back, the end, errors, keys and pushes.

use super::super::super::Finding;
use super::super::again::Resumed;
use super::super::proxy::Proxy;
use super::super::reach::Reached;
use super::super::remedy::Trouble;
use super::super::upload::{LINES, Uploaded};
use super::{at_fault, ms, said, weak};

/// Whether who comes back gets exactly what is behind its cursor, by the header and by the parameter.
pub(in super::super) fn resuming(
    by_header: &Resumed,
    by_parameter: &Resumed,
    proxy: Option<Proxy>,
) -> Finding {
    const CHECK: &str = "path.resume";
    if by_header.is_exact && by_parameter.is_exact {
        let text =
            "a reader that comes back with Last-Event-ID, or ?after=, goes on exactly behind it";
        return Finding::good(CHECK, text);
    }
    let text = if by_header.is_exact {
        "?after= does not reach the server: a page that was reloaded begins anew".to_owned()
    } else if by_header.heard == Some(by_header.cursor) {
        "a reader that comes back does not get exactly what is behind its cursor".to_owned()
    } else if by_header.status != Some(200) {
        let status = by_header.status.map_or("no answer".to_owned(), |it| format!("status {it}"));
        format!("a reader that comes back with Last-Event-ID gets {status}")
    } else {
        "Last-Event-ID does not reach the server: an EventSource that comes back gets everything again"
            .to_owned()
    };
    at_fault(CHECK, text, Trouble::Resume, proxy)
        .with("cursor", by_header.cursor)
        .with("heard", by_header.heard)
}

/// Whether who has everything is told so, by 204.
pub(in super::super) fn the_end(status: Option<u16>, proxy: Option<Proxy>) -> Finding {
    const CHECK: &str = "path.end";
    match status {
        Some(204) => Finding::good(CHECK, "who has everything gets 204, and EventSource stops"),
        Some(status) => {
            let text = format!(
                "who has everything gets status {status} in place of 204: an EventSource comes back for \
                 ever, or sees an error"
            );
            at_fault(CHECK, text, Trouble::Errors, proxy).with("status", status)
        }
        None => at_fault(CHECK, "who has everything gets no answer".into(), Trouble::Errors, proxy),
    }
}

/// Whether errors are the server's own.
pub(in super::super) fn errors(
    asked: &Result<(u16, bool), String>,
    proxy: Option<Proxy>,
) -> Finding {
    const CHECK: &str = "path.errors";
    match asked {
        Ok((404, true)) => Finding::good(CHECK, "errors come with the server's status and words"),
        Ok((404, false)) => {
            let text =
                "an error of the server comes with another page in place of its words".to_owned();
            weak(CHECK, text, Trouble::Errors, proxy)
        }
        Ok((403, true)) => {
            Finding::not_checked(CHECK, "the key in TAILWATER_API_KEY has not the scope read")
        }
        Ok((status, _)) => {
            let text = format!("the server's 404 comes as status {status}");
            at_fault(CHECK, text, Trouble::Errors, proxy).with("status", *status)
        }
        Err(why) => {
            at_fault(CHECK, format!("an error does not come: {why}"), Trouble::Errors, proxy)
        }
    }
}

/// Whether the key comes through. `answer` is what came of a question with a key, if there is one.
///
/// The server says different words to who shows no key and to who shows a wrong one.
pub(in super::super) fn key(has_key: bool, answer: &Reached, proxy: Option<Proxy>) -> Finding {
    const CHECK: &str = "path.key";
    let problem = answer.problem();
    let says = |words: &str| problem.as_ref().is_some_and(|(_, detail)| detail.contains(words));
    match (answer.status, has_key) {
        (401, true) if says("a key is needed") => {
            let text =
                "Authorization does not reach the server: every request with a key is refused";
            at_fault(CHECK, text.to_owned(), Trouble::Key, proxy)
        }
        (401, true) => Finding::fault(CHECK, "the key in TAILWATER_API_KEY is not valid there"),
        (401, false) => Finding::fault(
            CHECK,
            "the server wants a key: put one with the scopes submit, read and publish into \
             TAILWATER_API_KEY",
        ),
        (200, true) => Finding::good(CHECK, "Authorization reaches the server"),
        (200, false) => Finding::not_checked(
            CHECK,
            "the server asks for no key; with one in TAILWATER_API_KEY it is",
        ),
        (status, _) => Finding::not_checked(CHECK, format!("the answer was status {status}")),
    }
}

/// Whether a long push is let through line by line, and nothing is answered from a cache.
pub(in super::super) fn pushes(uploaded: &Uploaded, proxy: Option<Proxy>) -> Vec<Finding> {
    const CHECK: &str = "path.pushes";
    let Uploaded { while_open, most_late, answer, afterwards, cached } = uploaded;
    let is_stale = *answer == Ok(200) && *afterwards < LINES;
    let cache = match (cached, is_stale) {
        (Some(header), _) => {
            let text = format!("answers come from a cache ({header}): polls see the past");
            at_fault("path.cache", text, Trouble::Cache, proxy)
        }
        (None, true) => {
            let text = format!(
                "a poll showed {afterwards} of {LINES} events after all had been taken: from a cache?"
            );
            at_fault("path.cache", text, Trouble::Cache, proxy)
        }
        (None, false) => Finding::good("path.cache", "the same question gets a fresh answer"),
    };
    let push = match answer {
        Ok(200) if *while_open == LINES => Finding::good(
            CHECK,
            format!("a long push is passed on line by line, at most {} late", said(*most_late)),
        ),
        Ok(200) if is_stale => Finding::not_checked(CHECK, "answers are not fresh"),
        Ok(200) if *while_open == 0 => {
            let text = "a push of many lines is held back until it ends: push event by event, or around \
                        the proxy";
            weak(CHECK, text.to_owned(), Trouble::RequestBuffering, proxy)
        }
        Ok(200) => {
            let text = format!(
                "a push of many lines is held back: of {LINES} there were {while_open} while it went on"
            );
            weak(CHECK, text, Trouble::RequestBuffering, proxy)
        }
        Ok(status) => {
            let text =
                format!("a push of many lines without a length is answered with status {status}");
            at_fault(CHECK, text, Trouble::RequestBuffering, proxy).with("status", *status)
        }
        Err(why) => at_fault(
            CHECK,
            format!("a push of many lines breaks: {why}"),
            Trouble::RequestBuffering,
            proxy,
        ),
    };
    vec![push.with("while_open", *while_open).with("most_late_ms", ms(*most_late)), cache]
}

#[cfg(test)]
mod tests {
    use super::super::super::super::Verdict;
    use super::*;
    use http::{HeaderMap, Version};
    use std::time::Duration;

    fn resumed(is_exact: bool, heard: Option<u64>) -> Resumed {
        Resumed { cursor: 7, heard, is_exact, status: Some(200) }
    }

    fn reached(status: u16, detail: &str) -> Reached {
        Reached {
            status,
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            body: format!(r#"{{"code": "unauthorized", "detail": "{detail}"}}"#),
            clock: None,
        }
    }

    #[test]
    fn a_header_that_is_gone_is_told_from_a_cursor_that_does_not_hold() {
        let good = resumed(true, Some(7));
        assert_eq!(resuming(&good, &good, None).verdict, Verdict::Good);
        let stripped = resuming(&resumed(false, None), &good, None);
        assert_eq!(stripped.verdict, Verdict::Fault);
        assert!(stripped.text.contains("does not reach"), "{}", stripped.text);
        let broken = resuming(&resumed(false, Some(7)), &good, None);
        assert!(!broken.text.contains("does not reach"), "{}", broken.text);
    }

    #[test]
    fn an_error_that_is_the_servers_own_is_no_fault_of_the_way() {
        let of = |asked| errors(&Ok(asked), None).verdict;
        assert_eq!(of((404, true)), Verdict::Good);
        assert_eq!(of((403, true)), Verdict::NotChecked, "the key may not read");
        assert_eq!((of((403, false)), of((502, true))), (Verdict::Fault, Verdict::Fault));
    }

    #[test]
    fn the_end_is_204_and_nothing_else() {
        assert_eq!(the_end(Some(204), None).verdict, Verdict::Good);
        for status in [Some(200), Some(502), None] {
            assert_eq!(the_end(status, None).verdict, Verdict::Fault);
        }
    }

    #[test]
    fn a_key_that_is_taken_away_is_told_from_one_that_is_wrong() {
        let taken = key(true, &reached(401, "a key is needed: 'Authorization: Bearer tw_…'"), None);
        assert!(taken.text.contains("does not reach"), "{}", taken.text);
        let wrong = key(true, &reached(401, "the key is not valid"), None);
        assert!(wrong.remedies.is_empty() && wrong.verdict == Verdict::Fault);
        assert_eq!(key(false, &reached(200, ""), None).verdict, Verdict::NotChecked);
    }

    fn uploaded(while_open: u64, afterwards: u64, answer: u16) -> Uploaded {
        let most_late = Duration::ZERO;
        Uploaded { while_open, most_late, answer: Ok(answer), afterwards, cached: None }
    }

    #[test]
    fn a_push_that_is_held_is_a_warning_and_one_that_is_refused_a_fault() {
        let of = |while_open, status| pushes(&uploaded(while_open, LINES, status), None)[0].verdict;
        assert_eq!((of(0, 200), of(3, 200)), (Verdict::Warning, Verdict::Warning));
        assert_eq!((of(LINES, 200), of(0, 411)), (Verdict::Good, Verdict::Fault));
    }

    #[test]
    fn an_answer_of_before_is_a_cache_and_no_held_push() {
        let [push, cache] = pushes(&uploaded(0, 0, 200), None).try_into().unwrap();
        assert_eq!((push.verdict, cache.verdict), (Verdict::NotChecked, Verdict::Fault));
    }
}
