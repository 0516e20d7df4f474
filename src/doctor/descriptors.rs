//! How many files and connections the server may have open.

use crate::config::Settings;
use crate::descriptors;

use super::Finding;

/// How many readers a server is to have room for, where nobody says how many.
const READERS: usize = 10_000;

/// What is no connection: the database, files on their way, requests to providers.
const OTHERS: usize = 768;

/// Looks at the limits of this process, which a server that is started from here would have too.
pub(super) fn check(settings: &Settings) -> Finding {
    let soft = descriptors::limit();
    let hard = descriptors::raise_limit();
    judge(soft, hard, settings.max_connections as usize)
}

fn judge(soft: usize, hard: usize, wanted: usize) -> Finding {
    const CHECK: &str = "files";
    let shown = |limit: usize| {
        if limit == usize::MAX { "no limit".to_owned() } else { limit.to_string() }
    };
    let limits = format!("{} now, {} when serving", shown(soft), shown(hard));
    let needed = if wanted == 0 { READERS } else { wanted } + OTHERS;
    let advice = "`ulimit -Hn` in a shell, LimitNOFILE= in a systemd unit, nofile in a container";
    let finding = if hard >= needed {
        Finding::good(CHECK, format!("{limits}: enough for {} connections", needed - OTHERS))
    } else if wanted > 0 {
        let text = format!("{limits}, and max_connections ({wanted}) needs {needed}: {advice}");
        Finding::fault(CHECK, text)
    } else {
        let text = format!("{limits}: {READERS} readers need {needed}; {advice}");
        Finding::warning(CHECK, text)
    };
    finding.with("soft", soft as u64).with("hard", hard as u64).with("needed", needed as u64)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn what_was_asked_for_is_needed_and_what_is_usual_is_wished() {
        assert_eq!(judge(1_024, 1 << 20, 0).verdict, Verdict::Good);
        assert_eq!(judge(1_024, 4_096, 0).verdict, Verdict::Warning);
        assert_eq!(judge(1_024, 4_096, 5_000).verdict, Verdict::Fault);
        assert_eq!(judge(1_024, 4_096, 1_000).verdict, Verdict::Good);
        assert_eq!(judge(usize::MAX, usize::MAX, 0).verdict, Verdict::Good);
    }
}
