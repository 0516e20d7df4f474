// Several jobs on one connection: what the tabs of an origin watch together.

import { failure, isFinal } from "../errors.ts";
import type { EventId } from "../events.ts";
import type { Connection } from "../http.ts";
import { sleep } from "../sleep.ts";
import { JobReader } from "./job-reader.ts";
import { fields, jobPath, type Address, type Arrival, type Polled, type RawEvent, type Target } from "./target.ts";

/** As many jobs as one connection may name (PROTOCOL.md, P19). */
export const MOST_JOBS = 100;

/** So many polls at once: a browser has six connections, and the page needs some. */
const LANES = 2;
/** How far apart rounds of polls are that the server would otherwise have held. */
const ROUND_MS = 1_000;

/** A set of jobs, each with a cursor of its own, so that the set may change between connections. */
export class JobsTarget implements Target {
  readonly #readers = new Map<string, JobReader>();
  /** The jobs that the newest stream names. */
  #asked: readonly JobReader[] = [];

  /** How many jobs are in it. */
  get size(): number {
    return this.#readers.size;
  }

  /** Takes a job in, or back to an earlier place; whether the stream has to be opened anew for it. */
  want(job: string, after: EventId): boolean {
    const known = this.#readers.get(job);
    if (known !== undefined && known.cursor.at <= after) return false;
    // A stream that is open may still name it, and brings it from another place.
    this.drop(job);
    const reader = new JobReader(job, after);
    reader.isStale = true;
    this.#readers.set(job, reader);
    return true;
  }

  /** Lets a job go; what is under way may still bring it, and it is passed over. */
  drop(job: string): void {
    const reader = this.#readers.get(job);
    if (reader !== undefined) reader.isStale = true;
    this.#readers.delete(job);
  }

  get isOver(): boolean {
    return this.#open().length === 0;
  }

  address(): Address {
    this.#asked = this.#open();
    for (const reader of this.#asked) reader.isStale = false;
    return { path: "/api/stream", query: { job: this.#asked.map(({ job, cursor }) => `${job}@${cursor.at}`).join(",") } };
  }

  take(event: RawEvent): readonly Arrival[] {
    const { job, data, jobs, ...rest } = fields(event.data);
    // Each job is greeted as on a stream of its own.
    if (Array.isArray(jobs)) return jobs.map(fields).flatMap((greeting) => this.#greet({ ...rest, ...greeting }));
    if (typeof job === "string") return this.#readers.get(job)?.take({ ...event, data }) ?? [];
    // A word about the whole connection: `bye`, or a gap of all.
    return this.#open().flatMap((reader) => reader.take(event));
  }

  async poll(connection: Connection, waitS: number, signal: AbortSignal): Promise<Polled> {
    const open = [...this.#open()];
    const [only, ...others] = open;
    if (only !== undefined && others.length === 0) return only.poll(connection, waitS, signal);
    const polled: Polled[] = [];
    const lane = async (): Promise<void> => {
      for (let next = open.shift(); next !== undefined; next = open.shift()) polled.push(await next.poll(connection, 0, signal));
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    const arrivals = polled.flatMap((one) => one.arrivals);
    // Held polls of several jobs would take up every connection that the browser has: we wait ourselves.
    if (waitS > 0 && arrivals.length === 0) await sleep(ROUND_MS, signal);
    const named = polled.flatMap(({ pollAfterMs }) => pollAfterMs ?? []);
    return { arrivals, pollAfterMs: named.length === 0 ? null : Math.min(...named) };
  }

  finish(): void {
    for (const reader of this.#open()) reader.isOver = !reader.isStale && this.#asked.includes(reader);
  }

  ended(): readonly string[] {
    const ended = [...this.#readers.values()].filter(({ isOver, isToldOver }) => isOver && !isToldOver);
    for (const reader of ended) reader.isToldOver = true;
    return ended.map(({ topic }) => topic);
  }

  async sift(connection: Connection, signal: AbortSignal): Promise<readonly { topic: string; error: unknown }[]> {
    const refused: { topic: string; error: unknown }[] = [];
    for (const { job, topic } of this.#open()) {
      try {
        await connection.json(jobPath(job, "/events"), { query: { limit: 1 }, signal });
      } catch (caught) {
        const error = failure(caught, signal);
        if (!isFinal(error.status)) throw error;
        this.drop(job);
        refused.push({ topic, error });
      }
    }
    return refused;
  }

  #open(): readonly JobReader[] {
    return [...this.#readers.values()].filter(({ isOver }) => !isOver);
  }

  #greet(data: Readonly<Record<string, unknown>>): readonly Arrival[] {
    const reader = this.#readers.get(String(data.job));
    if (reader === undefined) return [];
    const arrivals = reader.take({ id: null, type: "hello", data: { ...data, after: reader.cursor.at } });
    reader.isOver ||= data.over === true && !reader.isStale;
    return arrivals;
  }
}
