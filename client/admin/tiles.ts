// The live figures: what each is called, how it is said, and when it is a worry.

import { bytes, count, known, memoryOf, percent, several, short, span } from "./amounts.ts";
import type { Figures } from "./types.ts";

/** One live figure. */
export interface Tile {
  readonly id: string;
  readonly title: string;
  /** What is drawn. */
  of(figures: Figures): number | null;
  /** What is written large. */
  words(figures: Figures): string;
  /** What is written small. */
  detail(figures: Figures): string;
  /** What the top of the drawing is, where that is fixed. */
  top?(figures: Figures): number;
  isBad?(figures: Figures): boolean;
}

/** Nothing where the database, in which they are counted, does not answer. */
const waiting = ({ database, queue }: Figures): number | null => (
  database ? queue.reduce((sum, lane) => sum + (lane.waiting ?? 0), 0) : null
);
const share = ({ memory_bytes: used, memory_limit_bytes: limit }: Figures): number => (limit > 0 ? used / limit : 0);

/** The live figures, the most important first. */
export const TILES: readonly Tile[] = [
  {
    id: "readers", title: "Readers",
    of: ({ readers }) => readers,
    words: ({ readers }) => short(readers),
    detail: ({ polls_waiting: polls, followers_behind: behind }) => (
      [polls > 0 ? `${short(polls)} polling` : "", behind > 0 ? `${short(behind)} behind` : "none behind"].filter(Boolean).join(", ")
    ),
  },
  {
    id: "deliveries", title: "Deliveries a second",
    of: ({ rates }) => rates.deliveries,
    words: ({ rates }) => short(rates.deliveries),
    detail: ({ rates }) => `${bytes(rates.delivered_bytes)}/s, ${short(rates.appends)} appended`,
  },
  {
    id: "write", title: "Append to write",
    of: ({ append_to_write_ms: times }) => times?.p99 ?? null,
    words: ({ append_to_write_ms: times }) => (times === null ? "–" : span(times.p99)),
    detail: ({ append_to_write_ms: times }) => (times === null ? "nothing was written" : `p99; p50 ${span(times.p50)}`),
    isBad: ({ append_to_write_ms: times }) => (times?.p99 ?? 0) > 1_000,
  },
  {
    id: "durable", title: "Durable lag",
    of: ({ durable_lag_ms: lag }) => lag,
    words: ({ durable_lag_ms: lag }) => span(lag),
    detail: ({ not_durable: events }) => (events === 0 ? "everything is stored" : `${several(events, "event")} not stored yet`),
    isBad: ({ durable_lag_ms: lag }) => lag > 2_000,
  },
  {
    id: "memory", title: "Memory of logs",
    of: ({ memory_bytes: used }) => used,
    top: ({ memory_limit_bytes: limit }) => limit,
    words: ({ memory_bytes: used }) => memoryOf(used),
    detail: (figures) => `${percent(figures.memory_bytes, figures.memory_limit_bytes)} of ${memoryOf(figures.memory_limit_bytes)}, ${several(figures.logs, "log")}`,
    isBad: (figures) => share(figures) > 0.85,
  },
  {
    id: "queue", title: "In the queue",
    of: waiting,
    words: (figures) => known(waiting(figures), short),
    detail: ({ database, jobs }) => (database ? `${known(jobs.running, short)} running` : "the database does not answer"),
  },
  {
    id: "refused", title: "Refused a second",
    of: ({ rates }) => rates.refused,
    top: () => 1,
    words: ({ rates }) => short(rates.refused),
    detail: ({ rates }) => `of ${short(rates.requests)} requests a second`,
    isBad: ({ rates }) => rates.refused >= 1,
  },
  {
    id: "cpu", title: "CPU",
    of: ({ process }) => process.cpu,
    // A quiet server is drawn as one.
    top: () => 1,
    words: ({ process }) => `${count(process.cpu)}`,
    detail: ({ process }) => `cores; ${memoryOf(process.resident_bytes)} resident, ${short(process.open_fds)} files`,
  },
];
