//! How far a model is, as far as its log tells.

/// The progress in a log, 0 to 99: that of the last line which looks like a tqdm bar,
/// `42%|████      | 21/50 [00:10<00:14]`, as Replicate's own clients read it.
pub(super) fn percent(log: &str) -> Option<u8> {
    lines(log).rev().find_map(bar)
}

/// The newest line of a log that says anything.
pub(super) fn newest_line(log: &str) -> Option<&str> {
    lines(log).rev().find(|line| !line.is_empty())
}

/// A bar is redrawn behind a carriage return, so that too ends a line.
fn lines(log: &str) -> impl DoubleEndedIterator<Item = &str> {
    log.split(['\n', '\r']).map(str::trim)
}

fn bar(line: &str) -> Option<u8> {
    let (percent, rest) = line.split_once('%')?;
    let rest = rest.trim_start().strip_prefix('|')?;
    let (drawn, counts) = rest.rsplit_once('|')?;
    let (current, total) = counts.trim_start().split_once('/')?;
    let begins_with_digit = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    let is_bar = !drawn.is_empty()
        && !current.is_empty()
        && current.bytes().all(|byte| byte.is_ascii_digit())
        && begins_with_digit(total)
        && percent.bytes().all(|byte| byte.is_ascii_digit());
    percent.parse::<u8>().ok().filter(|_| is_bar).map(|percent| percent.min(99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bar_tells_the_progress() {
        let log = "loading\n 10%|█         | 5/50 [00:01<00:09]\r 42%|████ | 21/50 [00:10<00:14, 2it/s]\nsaving\n";
        assert_eq!(percent(log), Some(42));
        assert_eq!(newest_line(log), Some("saving"));
        assert_eq!(percent("100%|██████████| 50/50"), Some(99));
    }

    #[test]
    fn a_line_that_only_looks_like_a_bar_is_none() {
        for log in
            ["", "42%", "42% | done", "42%|█| x/50", "x42%|█| 1/50", "42%|| 1/50", "999%|█| 1/2"]
        {
            assert_eq!(percent(log), None, "{log}");
        }
        assert_eq!(newest_line(" \n\r\n"), None);
    }
}
