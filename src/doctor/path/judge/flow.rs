//! How events flow: at once, or in lumps; packed, changed, without their ids.

use std::time::Duration;

use serde_json::json;

use super::super::super::Finding;
use super::super::delivery::Delivery;
use super::super::listen::Head;
use super::super::pace::EVENTS;
use super::super::proxy::Proxy;
use super::super::remedy::Trouble;
use super::{at_fault, ms, said, weak};

/// From how late on an event is too late, for somebody who looks at a text being written.
const TOO_LATE: Duration = Duration::from_millis(1_000);

/// From how late half of the events may be.
const OFTEN_LATE: Duration = Duration::from_millis(400);

const BUFFERING: &str = "path.buffering";

/// Whether events come when they happen.
///
/// `straight` is who read beside the proxy: what was late for that reader was late in the server.
pub(in super::super) fn delivery(
    through: &Delivery,
    straight: Option<&Delivery>,
    proxy: Option<Proxy>,
) -> Finding {
    let fair = straight.map_or(Duration::ZERO, Delivery::most);
    let most = through.most().saturating_sub(fair);
    let median = through.median().saturating_sub(straight.map_or(Duration::ZERO, Delivery::median));
    let is_fair = straight.is_some_and(|straight| straight.held_to_the_end >= through.came());
    let (came, lumps) = (through.came(), through.lumps);
    let finding = if came == 0 {
        let why = through.broke.as_ref().map_or_else(
            || "though the stream was open".to_owned(),
            |(why, age)| format!("and the stream broke after {}: {why}", said(*age)),
        );
        at_fault(
            BUFFERING,
            format!("none of {EVENTS} events came through, {why}"),
            Trouble::Buffering,
            proxy,
        )
    } else if through.held_to_the_end == came && !is_fair {
        let text = format!(
            "events are held back until the stream ends: {came} of {EVENTS} came then, the first of \
             them {} late",
            said(most)
        );
        at_fault(BUFFERING, text, Trouble::Buffering, proxy)
    } else if most > TOO_LATE {
        let text = format!(
            "events are held back: they came up to {} late, {came} of them in {}",
            said(most),
            if lumps == 1 { "one lump".to_owned() } else { format!("{lumps} lumps") }
        );
        at_fault(BUFFERING, text, Trouble::Buffering, proxy)
    } else if let (true, Some((why, age))) = (through.missing > 0, &through.broke) {
        let text = format!(
            "the stream broke after {} ({why}), before {} of {EVENTS} events had come",
            said(*age),
            through.missing
        );
        at_fault(BUFFERING, text, Trouble::Age, proxy)
    } else if through.missing > 0 {
        Finding::fault(BUFFERING, format!("{} of {EVENTS} events never came", through.missing))
    } else if median > OFTEN_LATE {
        let text = format!("events come {} late, most of them", said(median));
        weak(BUFFERING, text, Trouble::Buffering, proxy)
    } else if fair > TOO_LATE {
        let text = format!("events come up to {} late, straight from the server too", said(fair));
        Finding::warning(BUFFERING, text)
    } else {
        let text = format!(
            "each of {EVENTS} events came by itself, at most {} after it was pushed",
            said(through.most())
        );
        Finding::good(BUFFERING, text)
    };
    finding
        .with("events", EVENTS)
        .with("came", came)
        .with("lumps", lumps)
        .with("held_to_the_end", through.held_to_the_end)
        .with("median_late_ms", ms(through.median()))
        .with("most_late_ms", ms(through.most()))
        .with("straight_most_late_ms", straight.map_or(json!(null), |it| json!(ms(it.most()))))
}

/// Whether a browser gets the stream packed. `packed` is what it got.
pub(in super::super) fn compression(
    head: Option<&Head>,
    packed: &Delivery,
    proxy: Option<Proxy>,
) -> Finding {
    const CHECK: &str = "path.compression";
    let Some(head) = head else {
        return Finding::not_checked(CHECK, "no stream was opened");
    };
    let Some(encoding) = head.encoding() else {
        return Finding::good(CHECK, "a stream is not compressed, as the server asks for");
    };
    let pieces = packed.pieces;
    let how = if pieces as u64 >= EVENTS {
        format!(
            "events still came one by one, in {pieces} pieces, at the price of a compressor for each reader"
        )
    } else {
        format!(
            "events wait for the compressor: of {EVENTS} there were {pieces} pieces before the end"
        )
    };
    let text = format!(
        "streams are compressed ({encoding}) for browsers although the server says no-transform; {how}"
    );
    at_fault(CHECK, text, Trouble::Compression, proxy)
        .with("encoding", encoding)
        .with("pieces", packed.pieces)
}

/// Whether the stream's answer is as the server gave it.
pub(in super::super) fn headers(head: Option<&Head>, proxy: Option<Proxy>) -> Finding {
    const CHECK: &str = "path.headers";
    let Some(head) = head else {
        let text = "a stream's answer did not begin while events were pushed".to_owned();
        return at_fault(CHECK, text, Trouble::Buffering, proxy);
    };
    if head.status != 200 {
        let text = format!("a stream is answered with status {}", head.status);
        return at_fault(CHECK, text, Trouble::Errors, proxy).with("status", head.status);
    }
    let kind = head.header("content-type").unwrap_or_default();
    if !kind.starts_with("text/event-stream") {
        let text = format!("a stream comes as '{kind}', which no EventSource takes");
        return at_fault(CHECK, text, Trouble::Errors, proxy);
    }
    let cache = head.header("cache-control").unwrap_or_default();
    let (no_cache, no_transform) =
        (cache.contains("no-cache") || cache.contains("no-store"), cache.contains("no-transform"));
    if !no_cache || !no_transform {
        let text = format!(
            "the stream's cache-control ('no-cache, no-transform') comes as '{cache}': what stands \
             further out may cache or compress it"
        );
        return weak(CHECK, text, Trouble::Cache, proxy).with("cache_control", cache);
    }
    let note = match head.header("x-accel-buffering") {
        Some(_) => "",
        None => "; x-accel-buffering is gone, as behind nginx it is",
    };
    Finding::good(CHECK, format!("status, content-type and cache-control are the server's{note}"))
}

/// Whether events come with their ids and their data.
pub(in super::super) fn ids(through: &Delivery) -> Finding {
    const CHECK: &str = "path.ids";
    let came = through.came();
    if came == 0 {
        return Finding::not_checked(CHECK, "no event came");
    }
    if through.wrong_ids > 0 {
        let text = format!(
            "{} of {came} events came without their id: nobody who comes back could go on",
            through.wrong_ids
        );
        return Finding::fault(CHECK, text).with("wrong_ids", through.wrong_ids);
    }
    if through.changed > 0 {
        let text =
            format!("{} of {came} events came with other data than was pushed", through.changed);
        return Finding::fault(CHECK, text).with("changed", through.changed);
    }
    Finding::good(CHECK, format!("{came} events came with their ids, unchanged"))
}

#[cfg(test)]
mod tests {
    use super::super::super::super::Verdict;
    use super::*;
    use http::{HeaderMap, HeaderValue};

    fn late(ms: &[u64]) -> Delivery {
        Delivery {
            late: ms.iter().copied().map(Duration::from_millis).collect(),
            lumps: ms.len(),
            ..Delivery::default()
        }
    }

    fn head(headers: &[(&'static str, &'static str)]) -> Head {
        let pairs = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_static(value))
        });
        Head { status: 200, headers: HeaderMap::from_iter(pairs) }
    }

    const OURS: [(&str, &str); 2] =
        [("content-type", "text/event-stream"), ("cache-control", "no-cache, no-transform")];

    #[test]
    fn events_that_come_one_by_one_are_not_buffered() {
        let finding = delivery(&late(&[3; 16]), None, None);
        assert_eq!(finding.verdict, Verdict::Good, "{finding:?}");
        assert!(finding.remedies.is_empty());
    }

    #[test]
    fn events_that_come_with_the_end_are_held_until_then() {
        let held = Delivery { held_to_the_end: 16, lumps: 1, ..late(&[4_500; 16]) };
        let finding = delivery(&held, None, Some(Proxy::Nginx));
        assert_eq!(finding.verdict, Verdict::Fault);
        assert!(finding.text.contains("until the stream ends"), "{}", finding.text);
        assert_eq!(finding.remedies[0].proxy, Proxy::Nginx);
        assert!(finding.remedies[0].lines.iter().any(|line| line.contains("proxy_buffering off")));
    }

    #[test]
    fn events_that_come_in_lumps_are_held_back() {
        let lumpy = Delivery { lumps: 3, ..late(&[1_600, 1_000, 400, 1_400, 800, 200]) };
        let finding = delivery(&lumpy, None, None);
        assert_eq!(finding.verdict, Verdict::Fault);
        assert!(finding.text.contains("1.6 s late"), "{}", finding.text);
    }

    #[test]
    fn what_is_late_without_the_proxy_too_is_not_its_fault() {
        let finding = delivery(&late(&[100, 2_000]), Some(&late(&[100, 1_900])), None);
        assert_eq!(finding.verdict, Verdict::Warning, "{finding:?}");
        assert!(finding.remedies.is_empty());
    }

    #[test]
    fn a_stream_that_broke_is_not_called_slow() {
        let cut = Delivery {
            missing: 4,
            broke: Some(("reset".to_owned(), Duration::from_secs(2))),
            ..late(&[5; 12])
        };
        let finding = delivery(&cut, None, None);
        assert!(finding.text.contains("broke after 2 s"), "{}", finding.text);
    }

    #[test]
    fn a_packed_stream_is_a_fault_however_it_flows() {
        let packed = head(&[OURS[0], OURS[1], ("content-encoding", "gzip")]);
        let flows = Delivery { pieces: 17, ..Delivery::default() };
        let finding = compression(Some(&packed), &flows, Some(Proxy::Caddy));
        assert_eq!((finding.verdict, finding.remedies[0].proxy), (Verdict::Fault, Proxy::Caddy));
        assert!(finding.text.contains("gzip"), "{}", finding.text);
        assert_eq!(compression(Some(&head(&OURS)), &flows, None).verdict, Verdict::Good);
    }

    #[test]
    fn headers_that_are_gone_are_missed() {
        assert_eq!(headers(Some(&head(&OURS)), None).verdict, Verdict::Good);
        assert_eq!(headers(Some(&head(&OURS[..1])), None).verdict, Verdict::Warning);
        assert_eq!(
            headers(Some(&head(&[("content-type", "text/html")])), None).verdict,
            Verdict::Fault
        );
        assert_eq!(headers(None, None).verdict, Verdict::Fault);
    }

    #[test]
    fn an_event_without_its_id_or_with_other_data_is_told() {
        assert_eq!(ids(&late(&[1; 16])).verdict, Verdict::Good);
        assert_eq!(ids(&Delivery { wrong_ids: 16, ..late(&[1; 16]) }).verdict, Verdict::Fault);
        assert_eq!(ids(&Delivery { changed: 1, ..late(&[1; 16]) }).verdict, Verdict::Fault);
        assert_eq!(ids(&Delivery::default()).verdict, Verdict::NotChecked);
    }
}
