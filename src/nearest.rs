//! "Did you mean …?"

/// The candidate that is closest to `word`, if one is close enough to be what was meant: at most a
/// third of its letters wrong.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &plain(candidate)), candidate))
        .filter(|(wrong, candidate)| *wrong <= candidate.len().max(3) / 3)
        .min_by_key(|(wrong, _)| *wrong)
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be put in, taken out or changed to get from one word to the other
/// (Levenshtein). Words over 64 letters are taken for far away: no name is that long.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    if from.len() > 64 {
        return usize::MAX;
    }
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.chars().enumerate() {
        let mut line = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let changed = above[column] + usize::from(letter != *other);
            line.push(changed.min(above[column + 1] + 1).min(line[column] + 1));
        }
        above = line;
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let words = ["listen", "data", "workers", "log", "log_format", "job_time_limit"];
        let find = |word| nearest(word, words);
        assert_eq!(find("wrokers"), Some("workers"));
        assert_eq!(find("Listen"), Some("listen"));
        assert_eq!(find("log-format"), Some("log_format"));
        assert_eq!(find("job_timelimit"), Some("job_time_limit"));
        assert_eq!(find("colour"), None);
        assert_eq!(find(&"x".repeat(10_000)), None);
    }
}
