//! From what was measured to what it means: nothing here asks or waits.

mod again;
mod flow;
mod front;
mod waiting;

pub(super) use again::{errors, key, pushes, resuming, the_end};
pub(super) use flow::{compression, delivery, headers, ids};
pub(super) use front::{reach, version};
pub(super) use waiting::{age, polls, silence};

use std::time::Duration;

use super::super::Finding;
use super::proxy::Proxy;
use super::remedy::{Trouble, remedies};

/// A fault of the proxy, with what mends it.
fn at_fault(check: &str, text: String, trouble: Trouble, proxy: Option<Proxy>) -> Finding {
    Finding::fault(check, text).mended_by(remedies(trouble, proxy))
}

/// A weakness of the proxy, with what mends it.
fn weak(check: &str, text: String, trouble: Trouble, proxy: Option<Proxy>) -> Finding {
    Finding::warning(check, text).mended_by(remedies(trouble, proxy))
}

/// A time as people say it: `120 ms`, `3.4 s`, `5 s`.
fn said(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_millis() {
        ms @ 0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{} s", (seconds * 10.0).round() / 10.0),
        _ => format!("{} s", seconds.round()),
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_as_many_digits_as_matter() {
        let times = [4, 120, 3_449, 5_000, 10_004, 50_049].map(Duration::from_millis);
        assert_eq!(times.map(said), ["4 ms", "120 ms", "3.4 s", "5 s", "10 s", "50 s"]);
    }
}
