//! What became of those who waited.

use std::time::Duration;

use super::super::super::{Finding, Verdict};
use super::super::idle::{Fate, Held, Idle};
use super::super::proxy::Proxy;
use super::super::remedy::Trouble;
use super::{at_fault, ms, said, weak};

/// After how many missed keep-alives clients take a stream for dead; a proxy should have as much patience.
const MISSED: u32 = 3;

/// What is usual where a stream did not tell.
const USUAL_KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Whether silence is cut, and after how long.
pub(in super::super) fn silence(idle: &Idle, proxy: Option<Proxy>) -> Finding {
    const CHECK: &str = "path.silence";
    let keep_alive = idle.keep_alive.unwrap_or(USUAL_KEEP_ALIVE);
    let alive = said(keep_alive);
    let watched = said(idle.watched);
    match &idle.silent {
        None => Finding::not_checked(
            CHECK,
            "this server keeps no stream silent (?keepalive=), it is of an earlier version",
        ),
        Some(Fate::Lives) => Finding::good(
            CHECK,
            format!("a stream that was silent for {watched} was not cut (the server speaks every {alive})"),
        )
        .with("watched_ms", ms(idle.watched)),
        Some(Fate::Bye(why)) => {
            Finding::not_checked(CHECK, format!("the server itself ended the stream ({why})"))
        }
        Some(Fate::Refused(why)) => {
            Finding::fault(CHECK, format!("a stream could not be opened: {why}"))
        }
        Some(Fate::Cut(after, _)) if is_by_age(*after, &idle.steady) => {
            let why = "streams are cut before, silent or not";
            Finding::not_checked(CHECK, why)
        }
        Some(Fate::Cut(after, how)) => {
            let cut = said(*after);
            let finding = if *after <= keep_alive * MISSED || is_cut(&idle.held) {
                let polls = if is_cut(&idle.held) {
                    format!(
                        "answers that the server holds for {} are cut",
                        said(idle.held.wanted)
                    )
                } else {
                    "one that comes late is enough".to_owned()
                };
                let text = format!(
                    "what is silent for {cut} is cut ({how}): streams live by the server's keep-alives \
                     every {alive}, but {polls}"
                );
                at_fault(CHECK, text, Trouble::Silence, proxy)
            } else {
                let text = format!(
                    "silence is cut after {cut}, which no stream reaches: the server speaks every {alive}"
                );
                Finding::good(CHECK, text)
            };
            finding.with("cut_after_ms", ms(*after)).with("keep_alive_ms", ms(keep_alive))
        }
    }
}

/// Whether a stream that says that it lives is cut all the same.
pub(in super::super) fn age(idle: &Idle, proxy: Option<Proxy>) -> Finding {
    const CHECK: &str = "path.age";
    match &idle.steady {
        Fate::Lives => Finding::good(
            CHECK,
            format!(
                "a stream with keep-alives lasted the {} that it was watched",
                said(idle.watched)
            ),
        )
        .with("watched_ms", ms(idle.watched))
        .with("keep_alives", idle.keep_alives),
        Fate::Bye(why) => {
            Finding::not_checked(CHECK, format!("the server itself ended the stream ({why})"))
        }
        Fate::Refused(why) => Finding::fault(CHECK, format!("a stream could not be opened: {why}")),
        Fate::Cut(after, how) => {
            // Where keep-alives do not get through, it is silence that was cut.
            let (trouble, though) = if idle.keep_alives == 0 {
                (Trouble::Buffering, "and no keep-alive came through before")
            } else {
                (Trouble::Age, "though it was not silent")
            };
            let text = format!("a stream is cut after {} ({how}), {though}", said(*after));
            at_fault(CHECK, text, trouble, proxy)
                .with("cut_after_ms", ms(*after))
                .with("keep_alives", idle.keep_alives)
        }
    }
}

/// Whether an answer that the server holds comes.
pub(in super::super) fn polls(idle: &Idle, proxy: Option<Proxy>) -> Finding {
    const CHECK: &str = "path.polls";
    let Held { wanted, took, answer } = &idle.held;
    let (wanted_s, took_s) = (said(*wanted), said(*took));
    let finding = match answer {
        Ok(200) if *took + Duration::from_secs(1) >= *wanted => {
            Finding::good(CHECK, format!("an answer that was held for {wanted_s} came"))
        }
        Ok(200) => Finding::new(
            CHECK,
            Verdict::Warning,
            format!(
                "an answer that was to be held for {wanted_s} came after {took_s}: from a cache?"
            ),
        ),
        Ok(status) => {
            let text = format!(
                "an answer that the server holds for {wanted_s} is cut after {took_s} with status \
                 {status}: clients that cannot stream poll like this"
            );
            at_fault(CHECK, text, trouble_of_polls(idle), proxy).with("status", *status)
        }
        Err(why) => {
            let text = format!(
                "an answer that the server holds for {wanted_s} is cut after {took_s} ({why}): clients \
                 that cannot stream poll like this"
            );
            if *took < Duration::from_secs(1) {
                weak(CHECK, text, trouble_of_polls(idle), proxy)
            } else {
                at_fault(CHECK, text, trouble_of_polls(idle), proxy)
            }
        }
    };
    finding.with("took_ms", ms(*took)).with("wanted_ms", ms(*wanted))
}

/// Whether a stream that spoke was cut as soon as one that was silent.
fn is_by_age(after: Duration, steady: &Fate) -> bool {
    matches!(steady, Fate::Cut(age, _) if *age < after + Duration::from_secs(2))
}

/// What mends a poll that is cut.
fn trouble_of_polls(idle: &Idle) -> Trouble {
    if matches!(idle.steady, Fate::Cut(..)) { Trouble::Age } else { Trouble::Silence }
}

fn is_cut(held: &Held) -> bool {
    held.answer != Ok(200) && held.took < held.wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn idle() -> Idle {
        Idle {
            watched: S(75),
            keep_alive: Some(S(5)),
            silent: Some(Fate::Lives),
            steady: Fate::Lives,
            keep_alives: 14,
            held: Held { wanted: S(25), took: S(25), answer: Ok(200) },
        }
    }

    fn cut(after: u64) -> Fate {
        Fate::Cut(S(after), "the connection was closed".to_owned())
    }

    fn verdicts(idle: &Idle) -> [Verdict; 3] {
        [silence, age, polls].map(|judge| judge(idle, None).verdict)
    }

    #[test]
    fn a_way_that_waits_is_good() {
        assert_eq!(verdicts(&idle()), [Verdict::Good; 3]);
    }

    #[test]
    fn a_read_timeout_of_10_s_is_a_fault_although_streams_live() {
        let held = Held { wanted: S(25), took: S(10), answer: Ok(504) };
        let idle = Idle { silent: Some(cut(10)), held, ..idle() };
        assert_eq!(verdicts(&idle), [Verdict::Fault, Verdict::Good, Verdict::Fault]);
        let finding = silence(&idle, Some(Proxy::Nginx));
        assert!(finding.text.contains("silent for 10 s is cut"), "{}", finding.text);
        assert!(finding.remedies[0].lines[0].contains("proxy_read_timeout"));
    }

    #[test]
    fn a_timeout_of_50_s_is_told_and_is_none_of_the_faults() {
        let idle = Idle { silent: Some(cut(50)), ..idle() };
        assert_eq!(verdicts(&idle), [Verdict::Good; 3]);
        let finding = silence(&idle, Some(Proxy::HaProxy));
        assert!(finding.text.contains("after 50 s"), "{}", finding.text);
        assert_eq!(finding.measured["cut_after_ms"], 50_000);
    }

    #[test]
    fn slow_keep_alives_want_more_patience() {
        let idle = Idle { silent: Some(cut(30)), keep_alive: Some(S(15)), ..idle() };
        assert_eq!(silence(&idle, None).verdict, Verdict::Fault);
    }

    #[test]
    fn a_stream_that_is_cut_while_it_speaks_is_cut_by_age() {
        let finding = age(&Idle { steady: cut(7), keep_alives: 1, ..idle() }, None);
        assert_eq!(finding.verdict, Verdict::Fault);
        assert!(finding.text.contains("after 7 s"), "{}", finding.text);
    }

    #[test]
    fn silence_is_not_blamed_for_what_age_did() {
        let idle = Idle { steady: cut(7), silent: Some(cut(7)), keep_alives: 1, ..idle() };
        assert_eq!(verdicts(&idle)[..2], [Verdict::NotChecked, Verdict::Fault]);
    }

    #[test]
    fn who_says_goodbye_is_not_the_proxy() {
        let bye = Fate::Bye("max_age".to_owned());
        let idle = Idle { steady: bye.clone(), silent: Some(bye), ..idle() };
        assert_eq!(verdicts(&idle)[..2], [Verdict::NotChecked; 2]);
    }
}
