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
  const leases = entries.filter(({ kind }) => kind === "lease");
  const marks: Mark[] = entries.map((entry) => ({
    lane: laneOf(entry),
    from: entry.at,
    // A lease is over when the next one begins, whatever became of its worker.
    to: untilOf(entry, leases[leases.indexOf(entry) + 1]?.at ?? end, now),
    kind: entry.kind,
    level: entry.level,
    title: entry.times > 1 ? `${entry.title} × ${entry.times}` : entry.title,
    key: entry.key,
  }));
  return [...waitsOf(job, entries, end), ...marks, ...silenceOf(job, now)];
}

/** Where a span ends. A lease or a reader without an end is still there; what else has none is a moment. */
function untilOf({ kind, until_at: until }: Entry, over: number, now: number): number | null {
  if (until !== null) return until;
  if (kind === "lease") return over;
  return kind === "read" ? now : null;
}

/** The times between submit or lease and the next lease, in which the job waited for its turn. */
function waitsOf(job: StoryJob, entries: readonly Entry[], end: number): Mark[] {
  const leases = entries.filter(({ kind }) => kind === "lease");
  // A server that tells no leases still knows when the job began.
  const starts = leases.length === 0 && job.started_at !== null ? [job.started_at] : leases.map(({ at }) => at);
  const waits: Mark[] = [];
  let from: number | null = job.created_at;
  starts.forEach((at, index) => {
    if (from !== null && at > from) waits.push(wait(from, at));
    from = leases[index]?.until_at ?? null;
  });
  // It waits again after a requeue, or it never began.
  if (from !== null && end > from && (job.status === "pending" || starts.length === 0)) waits.push(wait(from, end));
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
