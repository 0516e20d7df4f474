// Several jobs on one connection: what the tabs of an origin watch together.

import { isTerminal, type EventId } from "../events.ts";
import type { Connection } from "../http.ts";
import type { EventItem } from "../sse/parser.ts";
import { Cursor } from "./cursor.ts";
import { jobTopic } from "./job-target.ts";
import { fields, jobPath, pageEvents, rawEvent, soonest, type Address, type Arrival, type EventsPage, type Polled, type RawEvent, type Target } from "./target.ts";

/** As many jobs as one connection may name (PROTOCOL.md, P19). */
export const MOST_JOBS = 100;

/** So many polls at once: a browser has six connections, and the page needs some. */
const LANES = 2;

interface Member {
  readonly cursor: Cursor;
  ended: boolean;
  /** What is under way was not asked from its cursor, and brings events that do not follow on it. */
  stale: boolean;
  /** Where the snapshot that follows a gap ends. */
  gapTo: EventId | null;
}

/** Statuses that mean one job, whatever the others are. */
const isFinal = (error: unknown): boolean => [400, 401, 403, 404, 410].includes(Number(fields(error).status));

/** A set of jobs, each with a cursor of its own, so that the set may change between connections. */
export class JobsTarget implements Target {
  readonly #members = new Map<string, Member>();
  /** The jobs that the newest stream names. */
  #asked: readonly string[] = [];

  /** How many jobs are in it. */
  get size(): number {
    return this.#members.size;
  }

  has(job: string): boolean {
    return this.#members.has(job);
  }

  /** Takes a job in, or back to an earlier place; whether the stream has to be opened anew for it. */
  want(job: string, after: EventId): boolean {
    const member = this.#members.get(job);
    if (member === undefined) {
      // A stream that is open may still name it, from a want that was dropped.
      this.#members.set(job, { cursor: new Cursor(after), ended: false, stale: true, gapTo: null });
      return true;
    }
    if (member.cursor.at <= after) return false;
    member.cursor.rewind(after);
    member.ended = false;
    member.stale = true;
    return true;
  }

  /** Lets a job go; the stream that is open may still bring it, and it is passed over. */
  drop(job: string): void {
    this.#members.delete(job);
  }

  topics(): readonly string[] {
    return [...this.#members.keys()].map(jobTopic);
  }

  address(): Address {
    const open = this.#open();
    for (const [, member] of open) member.stale = false;
    this.#asked = open.map(([job]) => job);
    return { path: "/api/stream", query: { job: open.map(([job, { cursor }]) => `${job}@${cursor.at}`).join(",") } };
  }

  take(item: EventItem): readonly Arrival[] {
    const event = rawEvent(item);
    const { job, data, ...rest } = fields(event.data);
    if (event.type === "hello") return this.#hello(rest);
    if (typeof job === "string") return this.#arrive(job, { ...event, data });
    // A word about the whole connection: `bye`, or a gap of all.
    return this.#open().flatMap(([name]) => this.#arrive(name, event));
  }

  async poll(connection: Connection, waitS: number, signal: AbortSignal): Promise<Polled> {
    const open = this.#open().map(([job]) => job);
    // Held polls of several jobs would take up every connection that the browser has.
    const wait = open.length === 1 ? waitS || undefined : undefined;
    const polled: Polled[] = [];
    const lane = async (): Promise<void> => {
      for (let job = open.shift(); job !== undefined; job = open.shift()) {
        polled.push(await this.#pollOne(connection, job, wait, signal));
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    const pause = wait === undefined && waitS > 0 ? 1_000 : null;
    return {
      arrivals: polled.flatMap(({ arrivals }) => arrivals),
      pollAfterMs: soonest([pause, ...polled.map(({ pollAfterMs }) => pollAfterMs)]),
    };
  }

  isOver(): boolean {
    return this.#open().length === 0;
  }

  finish(): readonly string[] {
    const over = this.#open().filter(([job, { stale }]) => !stale && this.#asked.includes(job));
    for (const [, member] of over) member.ended = true;
    return over.map(([job]) => jobTopic(job));
  }

  /** Its address names no ticket. */
  async renew(): Promise<void> {}

  async sift(connection: Connection, signal: AbortSignal): Promise<readonly { topic: string; error: unknown }[]> {
    const refused: { topic: string; error: unknown }[] = [];
    for (const [job] of this.#open()) {
      try {
        await connection.json<EventsPage>(jobPath(job, "/events"), { query: { limit: 1 }, signal });
      } catch (error) {
        if (!isFinal(error)) throw error;
        this.drop(job);
        refused.push({ topic: jobTopic(job), error });
      }
    }
    return refused;
  }

  async #pollOne(connection: Connection, job: string, wait: number | undefined, signal: AbortSignal): Promise<Polled> {
    const asked = this.#members.get(job);
    if (asked !== undefined) asked.stale = false;
    const after = asked?.cursor.at || undefined;
    const page = await connection.json<EventsPage>(jobPath(job, "/events"), { query: { after, wait }, signal });
    const arrivals = [...pageEvents(page)].flatMap((event) => this.#arrive(job, event));
    const member = this.#members.get(job);
    if (member?.stale === false) member.ended ||= page.ended;
    return { arrivals, pollAfterMs: page.poll_after_ms };
  }

  #open(): [string, Member][] {
    return [...this.#members].filter(([, { ended }]) => !ended);
  }

  /** Each job is greeted as on a stream of its own. */
  #hello({ jobs, ...rest }: Readonly<Record<string, unknown>>): Arrival[] {
    const greetings = Array.isArray(jobs) ? jobs.map(fields) : [];
    return greetings.flatMap((greeting) => {
      const job = String(greeting.job);
      const after = this.#members.get(job)?.cursor.at ?? null;
      return this.#arrive(job, { id: null, type: "hello", data: { ...rest, ...greeting, after } });
    });
  }

  #arrive(job: string, event: RawEvent): Arrival[] {
    const member = this.#members.get(job);
    if (member === undefined || member.stale) return [];
    if (event.type === "gap") member.gapTo = Number(fields(event.data).to);
    // Of several snapshots only the last one has an id on the wire; each ends where its gap does.
    const taken = event.type === "snapshot" ? { ...event, id: member.gapTo ?? event.id } : event;
    const { follows } = member.cursor;
    if (!member.cursor.take(taken)) return [];
    member.ended ||= taken.id !== null && isTerminal(taken.type);
    return [{ topic: jobTopic(job), follows, event: taken }];
  }
}
