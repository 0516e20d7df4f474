// A job's story: its entries in order, and the lanes that they are drawn in.

import { SILENCE_MS } from "./health.ts";
import type { Entry, EntryKind, StoryJob } from "./types.ts";

/** The lanes of the time line, from the submit down to the readers. */
export const LANES = [
  { id: "job", title: "Job" },
  { id: "queue", title: "Queue" },
  { id: "worker", title: "Worker" },
  { id: "provider", title: "Provider" },
  { id: "events", title: "Events" },
  { id: "stored", title: "Stored" },
  { id: "readers", title: "Readers" },
  { id: "told", title: "Told" },
] as const;
export type LaneId = (typeof LANES)[number]["id"];

const LANE_OF: Readonly<Record<EntryKind, LaneId>> = {
  submit: "job", end: "job", note: "job", credit: "told", webhook: "told", lease: "worker", request: "provider", poll: "provider",
  reply: "provider", event: "events", commit: "stored", read: "readers",
};

/** The lane that an entry belongs to; what a later server calls differently is the job's. */
export const laneOf = ({ kind }: Pick<Entry, "kind">): LaneId => LANE_OF[kind] ?? "job";

/** The entries of a story, by their keys. */
export type Story = ReadonlyMap<string, Entry>;

/** Takes an entry in; what had its key before is replaced. */
export const withEntry = (story: Story, entry: Entry): Story => new Map(story).set(entry.key, entry);

/** All entries in the order in which they happened; what happened at once stays as it came. */
export const inOrder = (story: Story): Entry[] => [...story.values()].sort((left, right) => left.at - right.at);

/** Something that is drawn in a lane: a span, or a moment. */
export interface Mark {
  readonly lane: LaneId;
  readonly from: number;
  /** Null is a moment. */
  readonly to: number | null;
  readonly kind: EntryKind | "wait" | "silence";
  readonly level: Entry["level"];
  readonly title: string;
  /** The entry's key, where there is one. */
  readonly key: string | null;
}

/** Everything that is drawn of a job, as it is at `now`. */
export function marksOf(job: StoryJob, entries: readonly Entry[], now: number): Mark[] {
  const end = job.ended_at ?? now;
  const turns = turnsOf(entries);
  const marks: Mark[] = entries.map((entry) => ({
    lane: laneOf(entry),
    from: entry.at,
    to: untilOf(entry, turns, end, now),
    kind: entry.kind,
    level: entry.level,
    title: entry.times > 1 ? `${entry.title} × ${entry.times}` : entry.title,
    key: entry.key,
  }));
  return [...waitsOf(job, turns, end), ...marks, ...silenceOf(job, now)];
}

/** A moment at which a job was taken, or is to wait for its turn again. */
interface Turn {
  readonly at: number;
  readonly begins: boolean;
  readonly isLease: boolean;
}

/**
 * When a job was taken and let go of, in order.
 *
 * Notes are those of the process that is asked, and no longer than it lives; the status events of a log
 * say the same of all others. That the operator wants a job back is no turn: its worker has it until it
 * hands it back.
 */
function turnsOf(entries: readonly Entry[]): Turn[] {
  const turns = entries.flatMap((entry): Turn[] => {
    const { kind, at, until_at: until, times } = entry;
    // What was said twice in a row is one note, from its first time to its last.
    if (isHandBack(entry)) return (times > 1 && until !== null ? [at, until] : [at]).map((moment) => ({ at: moment, begins: false, isLease: false }));
    if (kind === "lease") return [{ at, begins: true, isLease: true }, ...(until === null ? [] : [{ at: until, begins: false, isLease: false }])];
    const status = statusOf(entry);
    return status === "pending" || status === "running" ? [{ at, begins: status === "running", isLease: false }] : [];
  });
  return turns.sort((left, right) => left.at - right.at);
}

/** Whether a worker gave the job back to its queue. */
const isHandBack = ({ kind, title }: Entry): boolean => kind === "note" && title.startsWith("handed back");

/** What a status event says, or null of anything else. */
function statusOf({ kind, title, data }: Entry): unknown {
  if (kind !== "event" || title !== "status" || typeof data !== "object" || data === null) return null;
  return "status" in data ? data.status : null;
}

/** Where a span ends. A lease or a reader without an end is still there; what else has none is a moment. */
function untilOf(entry: Entry, turns: readonly Turn[], end: number, now: number): number | null {
  if (entry.until_at !== null) return entry.until_at;
  // A lease is over when the job waits again or the next one begins, whatever became of its worker.
  if (entry.kind === "lease") return turns.find(({ at, begins, isLease }) => at > entry.at && (!begins || isLease))?.at ?? end;
  return entry.kind === "read" ? now : null;
}

/** The times between the submit or a hand-back and the next lease, in which the job waited for its turn. */
function waitsOf(job: StoryJob, turns: readonly Turn[], end: number): Mark[] {
  const hasBegun = turns.some(({ begins }) => begins);
  // A server that tells no leases still knows when the job began.
  const known = hasBegun || job.started_at === null ? turns : [{ at: job.started_at, begins: true }, ...turns];
  const waits: Mark[] = [];
  let from: number | null = job.created_at;
  for (const { at, begins } of [...known].sort((left, right) => left.at - right.at)) {
    if (!begins) from ??= at;
    else if (from !== null) {
      if (at > from) waits.push(wait(from, at));
      from = null;
    }
  }
  // It waits again, waited until somebody ended it, or never began.
  const isWaiting = job.status !== "running" && job.status !== "completed";
  if (from !== null && end > from && (isWaiting || (!hasBegun && job.started_at === null))) waits.push(wait(from, end));
  return waits;
}

const wait = (from: number, to: number): Mark => (
  { lane: "queue", from, to, kind: "wait", level: "info", title: "waited for its turn", key: null }
);

/** How long a running job has said nothing, or null where it is not running. */
export function silenceMs(job: StoryJob, toldAt: number, now: number): number | null {
  if (job.status !== "running" || job.last_sign_ms === null) return null;
  return job.last_sign_ms + Math.max(0, now - toldAt);
}

/** The silence of a job that says nothing, over the lanes in which something should happen. */
function silenceOf(job: StoryJob, now: number): Mark[] {
  if (job.status !== "running" || job.last_sign_ms === null || job.last_sign_ms < SILENCE_MS) return [];
  const silence = { from: now - job.last_sign_ms, to: now, kind: "silence", level: "warn", title: "no sign of life", key: null } as const;
  return [{ lane: "provider", ...silence }, { lane: "events", ...silence }];
}

/** How many entries each lane has. */
export function countsOf(entries: readonly Entry[]): ReadonlyMap<LaneId, number> {
  const counts = new Map<LaneId, number>();
  for (const entry of entries) counts.set(laneOf(entry), (counts.get(laneOf(entry)) ?? 0) + 1);
  return counts;
}
