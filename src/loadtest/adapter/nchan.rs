//! nginx with Nchan (<https://nchan.io>): publishers at `/pub/NAME`, subscribers at `/sub/NAME`, each
//! message a request, and everything kept that is to be read again.

use super::{Cursor, Dialect, Jobs, Reading, Recording, Way, Wish, head};

pub(super) fn prepare(wish: &Wish<'_>) -> Jobs {
    let names: Vec<_> = (0..wish.jobs).map(|job| format!("{:x}-{job}", wish.run)).collect();
    let base = &wish.target.base;
    let way = |name: &String| {
        let path = format!("{base}/pub/{name}");
        Way::Each(head(wish.target, &path, "content-type: application/json\r\n"))
    };
    Jobs {
        ways: names.iter().map(way).collect(),
        dialect: Dialect::Plain,
        last: None,
        reading: Reading {
            lines: wish.target.lines.clone(),
            paths: names.iter().map(|name| format!("{base}/sub/{name}")).collect(),
            cursor: Cursor::LastEventId,
            terminal: None,
            exact: None,
            recording: wish.recording.map(Recording::expected),
        },
        names,
    }
}
