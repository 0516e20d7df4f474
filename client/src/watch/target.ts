// What is watched, as a link sees it: where its events are, and whose they are.

import type { EventId } from "../events.ts";
import type { Connection, QueryValues } from "../http.ts";
import type { EventItem } from "../sse/parser.ts";
import type { EventPage } from "../types.ts";

/** An event as it came, of whatever job. */
export interface RawEvent {
  readonly id: EventId | null;
  readonly type: string;
  readonly data: unknown;
  /** Whose it is, on a stream of several jobs. */
  readonly job?: string | null;
}

/** An event on its way to those who watch its topic. */
export interface Arrival {
  /** `job:…` or `project:…`. */
  readonly topic: string;
  /** The id that its reader must have for it to be the next one; null where any will do. */
  readonly follows: EventId | null;
  readonly event: RawEvent;
}

/** What a poll brought. */
export interface Polled {
  readonly arrivals: readonly Arrival[];
  /** When the server wants to be asked again. */
  readonly pollAfterMs: number | null;
}

/** Where a stream is. */
export interface Address {
  readonly path: string;
  readonly query: QueryValues;
}

/** Something that can be watched: a job, a set of jobs, a project. */
export interface Target {
  /** Whether nothing more can come. */
  readonly isOver: boolean;
  /** The stream, from behind what was taken. */
  address(): Address;
  /** Takes what a stream brought; what was taken before, from whatever carried it, brings nothing. */
  take(event: RawEvent): readonly Arrival[];
  /** Asks for what is behind what was taken. */
  poll(connection: Connection, waitS: number, signal: AbortSignal): Promise<Polled>;
  /** The server says that nothing stands behind what was taken. */
  finish(): void;
  /** The topics that are over although no end of theirs was brought, each once: it was taken before. */
  ended?(): readonly string[];
  /** Gets a fresh address of the stream. */
  renew?(connection: Connection, signal: AbortSignal): Promise<void>;
  /**
   * Finds out who is meant by a refusal of the whole, and lets go of them: each with what the server
   * says of it alone.
   */
  sift?(connection: Connection, signal: AbortSignal): Promise<readonly { topic: string; error: unknown }[]>;
}

/** Events that say something about the connection or the queue: they inherit an id and have none. */
const CONTROL: ReadonlySet<string> = new Set(["hello", "gap", "queue", "bye"]);

/** What a stream said, read. */
export function rawEvent({ type, data, id }: EventItem): RawEvent {
  return { id: CONTROL.has(type) || id === "" ? null : Number(id), type, data: parseJson(data) };
}

/** What a page has, in the order in which a stream would have brought it. */
export function pageEvents({ gap, snapshot, events }: EventPage): readonly RawEvent[] {
  const lost: RawEvent[] = gap === undefined ? [] : [{ id: null, type: "gap", data: gap }, { id: gap.to, type: "snapshot", data: snapshot }];
  return [...lost, ...events.map(({ id, type, data }) => ({ id, type, data }))];
}

/** An object's fields; none of anything else. */
export function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

export const jobPath = (job: string, rest = ""): string => `/api/jobs/${encodeURIComponent(job)}${rest}`;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No Tailwater server sends that; what a proxy put in between is nobody's event.
    return null;
  }
}
