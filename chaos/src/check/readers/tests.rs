//! Claims about what the checker finds, and what it lets pass.

use super::*;

/// An id of an epoch.
const fn id(epoch: u64, n: u64) -> u64 {
    (epoch << 32) + n
}

fn seen(id: u64) -> Seen {
    Seen { id, content: id }
}

/// A job with these events, each of which says what its id is.
fn job(ids: &[u64]) -> Job {
    Job::of(ids.iter().copied().map(seen).collect())
}

/// The events 1 to 4 of the first life, which committed five, and 1 to 3 of the second.
fn usual() -> Job {
    job(&[id(1, 1), id(1, 2), id(1, 3), id(1, 4), id(2, 1), id(2, 2), id(2, 3)])
}

/// Something that happens to a reader.
#[derive(Clone, Copy)]
enum It {
    Is(Mark),
    Gets(u64),
    GetsOther(u64),
}

use It::{Gets, GetsOther, Is};

const OPEN: It = Is(Mark::Open(Sent::Own(0)));
const OVER: It = Is(Mark::Over);

fn gap(from: u64, to: u64) -> [It; 2] {
    let gap = Mark::Gap { from: Some(from), to, reason: Reason::LostInCrash };
    [Is(gap), Is(Mark::Snapshot(Some(to)))]
}

fn history(scope: Scope, events: &[It]) -> History {
    let mut history = History::new("reader".into(), scope);
    for event in events {
        match event {
            Is(mark) => history.mark(*mark),
            Gets(id) => history.seen.push(seen(*id)),
            GetsOther(id) => history.seen.push(Seen { id: *id, content: 0 }),
        }
    }
    history
}

fn judge_in(scope: Scope, jobs: &[Job], events: &[It]) -> Verdict {
    let epochs = Epochs::from_iter([(1, id(1, 5)), (2, id(2, 9))]);
    let facts =
        Facts { jobs: jobs.iter().collect(), epochs: &epochs, damaged: false, clustered: false };
    let mut verdict = Verdict::default();
    facts.check(&history(scope, events), &mut Lost::default(), &mut verdict);
    verdict
}

fn judge(events: &[It]) -> Verdict {
    judge_in(Scope::Job("job_1".into()), &[usual()], events)
}

fn all() -> Vec<It> {
    usual().events.iter().map(|event| Gets(event.id)).collect()
}

#[test]
fn everything_in_order_is_right() {
    let verdict = judge(&[&[OPEN], &*all(), &[OVER]].concat());
    assert!(verdict.is_clean(), "{verdict:?}");
    assert_eq!((verdict.deliveries, verdict.connections), (7, 1));
}

#[test]
fn a_reader_that_comes_back_with_what_it_has_is_right() {
    let mut events = all();
    events.insert(3, Is(Mark::Open(Sent::Own(id(1, 3)))));
    let verdict = judge(&[&[OPEN], &*events, &[OVER]].concat());
    assert!(verdict.is_clean(), "{verdict:?}");
}

#[test]
fn an_event_that_is_lost_in_the_middle_is_found() {
    let mut events = all();
    events.remove(2);
    let verdict = judge(&[&[OPEN], &*events, &[OVER]].concat());
    assert_eq!(verdict.lost, 1, "{verdict:?}");
}

#[test]
fn an_event_that_is_lost_between_two_connections_is_found() {
    let mut events = all();
    events[2] = Is(Mark::Open(Sent::Own(id(1, 2))));
    assert_eq!(judge(&[&[OPEN], &*events, &[OVER]].concat()).lost, 1);
}

#[test]
fn events_that_are_lost_at_the_end_are_found() {
    let verdict = judge(&[&[OPEN], &all()[..5], &[OVER]].concat());
    assert_eq!(verdict.lost, 2, "{verdict:?}");
}

#[test]
fn an_event_that_comes_twice_is_found() {
    let mut events = all();
    events.insert(2, Gets(id(1, 2)));
    let verdict = judge(&[&[OPEN], &*events, &[OVER]].concat());
    assert_eq!((verdict.doubled, verdict.lost), (1, 0), "{verdict:?}");
}

#[test]
fn an_event_that_comes_too_late_is_found() {
    let mut events = all();
    events.swap(1, 2);
    let verdict = judge(&[&[OPEN], &*events, &[OVER]].concat());
    assert_eq!((verdict.disordered, verdict.lost, verdict.doubled), (1, 0, 0), "{verdict:?}");
    // Of two jobs, each in its own order, that are not merged by id.
    let jobs = [job(&[id(1, 1), id(1, 3)]), job(&[id(1, 2)])];
    let scope = Scope::Jobs(vec!["a".into(), "b".into()]);
    let verdict =
        judge_in(scope, &jobs, &[OPEN, Gets(id(1, 1)), Gets(id(1, 3)), Gets(id(1, 2)), OVER]);
    assert_eq!(verdict.disordered, 1, "{verdict:?}");
}

#[test]
fn an_event_that_says_something_else_is_found() {
    let mut events = all();
    events[3] = GetsOther(id(1, 4));
    assert_eq!(judge(&[&[OPEN], &*events, &[OVER]].concat()).altered, 1);
}

#[test]
fn an_event_that_a_crash_took_and_the_gap_after_it_are_right() {
    let mut events = all();
    events.insert(4, Gets(id(1, 6)));
    events.insert(5, Is(Mark::Open(Sent::Own(id(1, 6)))));
    let [told, snapshot] = gap(id(1, 6), id(2, 1));
    events.splice(6..7, [told, snapshot]);
    let verdict = judge(&[&[OPEN], &*events, &[OVER]].concat());
    assert!(verdict.is_clean(), "{verdict:?}");
    assert_eq!((verdict.gaps, verdict.taken_back), (1, 1));
}

#[test]
fn a_gap_that_nobody_told_of_is_found() {
    let mut events = all();
    events.insert(4, Gets(id(1, 6)));
    events.insert(5, Is(Mark::Open(Sent::Own(id(1, 6)))));
    let verdict = judge(&[&[OPEN], &*events, &[OVER]].concat());
    assert_eq!(verdict.silent, 1, "{verdict:?}");
}

#[test]
fn a_cursor_that_nobody_gave_out_must_get_a_gap() {
    let invented = Sent::Invented(id(1, 0xf000_0000));
    let told = Mark::Gap { from: invented.number(), to: id(1, 4), reason: Reason::AheadOfHead };
    let opening = [OPEN, Is(Mark::Open(invented))];
    let snapshot = Is(Mark::Snapshot(Some(id(1, 4))));
    let right = judge(&[&opening, &[Is(told), snapshot], &all()[4..], &[OVER]].concat());
    assert!(right.is_clean(), "{right:?}");
    let silent = judge(&[&opening, &*all(), &[OVER]].concat());
    assert_eq!(silent.silent, 1, "{silent:?}");
    let over = judge(&[&[OPEN], &*all(), &opening[1..], &[OVER]].concat());
    assert_eq!(over.silent, 1, "{over:?}");
    let wrong = Mark::Gap { from: invented.number(), to: id(1, 4), reason: Reason::InvalidCursor };
    let reason = judge(&[&opening, &[Is(wrong), snapshot], &all()[4..], &[OVER]].concat());
    assert_eq!(reason.other, 1, "{reason:?}");
}

#[test]
fn a_gap_for_a_cursor_that_is_good_is_found() {
    let mut events = all();
    let open = Is(Mark::Open(Sent::Own(id(1, 2))));
    events.splice(2..2, [&[open], &gap(id(1, 2), id(1, 2))[..]].concat());
    let verdict = judge(&[&[OPEN], &*events, &[OVER]].concat());
    assert_eq!(verdict.needless, 1, "{verdict:?}");
}

#[test]
fn a_reader_may_ask_for_the_same_again() {
    let again = Is(Mark::Open(Sent::Old(id(1, 2))));
    let verdict = judge(&[&[OPEN], &*all(), &[again], &all()[2..], &[OVER]].concat());
    assert!(verdict.is_clean(), "{verdict:?}");
}

#[test]
fn a_committed_event_that_is_behind_one_that_was_taken_back_is_found() {
    let verdict = judge(&[OPEN, Gets(id(1, 1)), Gets(id(1, 6))]);
    assert_eq!(verdict.lost, 3, "{verdict:?}");
}

#[test]
fn one_id_with_two_contents_is_found_although_it_was_taken_back() {
    let (epochs, usual) = (Epochs::from_iter([(1, id(1, 5))]), usual());
    let facts = Facts { jobs: vec![&usual], epochs: &epochs, damaged: false, clustered: false };
    let (mut lost, mut verdict) = (Lost::default(), Verdict::default());
    let before = &all()[..4];
    for last in [Gets(id(1, 6)), GetsOther(id(1, 6))] {
        let history = history(Scope::Job("job_1".into()), &[&[OPEN], before, &[last]].concat());
        facts.check(&history, &mut lost, &mut verdict);
    }
    assert_eq!(verdict.altered, 1, "{verdict:?}");
}

#[test]
fn an_event_that_was_committed_and_is_not_there_is_found() {
    let verdict = judge(&[&[OPEN], &all()[..4], &[Gets(id(1, 5))]].concat());
    assert_eq!(verdict.other, 1, "{verdict:?}");
}

#[test]
fn an_end_that_was_told_again_under_another_id_is_right() {
    let job = job(&[id(1, 1), id(1, 2), id(2, 1)]);
    let ended = [OPEN, Gets(id(1, 1)), Gets(id(1, 2)), Gets(id(1, 6)), OVER];
    let verdict = judge_in(Scope::Job("job_1".into()), &[job], &ended);
    assert!(verdict.is_clean(), "{verdict:?}");
}

#[test]
fn several_jobs_go_on_after_a_gap_with_snapshots_that_are_newer() {
    let jobs = [job(&[id(1, 1), id(2, 2), id(2, 4)]), job(&[id(1, 2), id(2, 3)])];
    let scope = Scope::Jobs(vec!["a".into(), "b".into()]);
    let told = Mark::Gap { from: Some(id(1, 7)), to: id(2, 3), reason: Reason::LostInCrash };
    let before = [OPEN, Gets(id(1, 1)), Gets(id(1, 2)), Gets(id(1, 7))];
    let open = Is(Mark::Open(Sent::Own(id(1, 7))));
    // The end of the second job is told although it is not above the head.
    let after = [open, Is(told), Is(Mark::Snapshot(None)), Gets(id(2, 3)), Gets(id(2, 4)), OVER];
    let verdict = judge_in(scope.clone(), &jobs, &[&before[..], &after].concat());
    assert!(verdict.is_clean(), "{verdict:?}");
    let without = [open, Is(told), Is(Mark::Snapshot(None)), Gets(id(2, 4)), OVER];
    let verdict = judge_in(scope, &jobs, &[&before[..], &without].concat());
    assert!(verdict.lost > 0, "{verdict:?}");
}

#[test]
fn a_project_begins_with_how_it_stands() {
    let scope = Scope::Project("default".into());
    let jobs = [usual()];
    let opening = [OPEN, Is(Mark::Snapshot(Some(id(1, 2))))];
    let verdict = judge_in(scope.clone(), &jobs, &[&opening, &all()[2..]].concat());
    assert!(verdict.is_clean(), "{verdict:?}");
    let verdict = judge_in(scope, &jobs, &[&opening, &all()[3..]].concat());
    assert_eq!(verdict.lost, 1, "{verdict:?}");
}
