// One job, as a target reads it: from where, and whether there is more.

import { isTerminal, type EventId } from "../events.ts";
import type { Connection } from "../http.ts";
import type { EventPage } from "../types.ts";
import { Cursor } from "./cursor.ts";
import { fields, jobPath, pageEvents, type Arrival, type Polled, type RawEvent } from "./target.ts";

/** A job and the place in it up to which its events were taken. */
export class JobReader {
  readonly job: string;
  readonly topic: string;
  readonly cursor: Cursor;
  /** Nothing more can come. */
  isOver = false;
  /** What is under way was not asked from the cursor, and brings events that do not follow on it. */
  isStale = false;
  /** Whoever reads it knows that it is over. */
  isToldOver = false;
  /** What opens the job, where a key is needed: its files too. */
  ticket: string | undefined;
  /** Where the snapshot that follows a gap ends. */
  #gapTo: EventId | null = null;

  constructor(job: string, after: EventId) {
    this.job = job;
    this.topic = `job:${job}`;
    this.cursor = new Cursor(after);
  }

  take(event: RawEvent): Arrival[] {
    if (this.isStale) return [];
    const { topic, cursor } = this;
    const { follows } = cursor;
    // Of several snapshots only the last one has an id on the wire; each ends where its gap does.
    const taken = event.type === "snapshot" ? { ...event, id: this.#gapTo ?? event.id } : event;
    if (event.type === "gap") this.#gapTo = Number(fields(event.data).to);
    if (!cursor.take(taken)) return [];
    if (taken.id !== null && isTerminal(taken.type)) this.isOver = this.isToldOver = true;
    return [{ topic, follows, event: this.ticket === undefined ? taken : { ...taken, data: withTicket(taken.data, this.ticket) } }];
  }

  async poll(connection: Connection, waitS: number, signal: AbortSignal): Promise<Polled> {
    this.isStale = false;
    const query = { after: this.cursor.at || undefined, wait: waitS || undefined, ticket: this.ticket };
    const page = await connection.json<EventPage>(jobPath(this.job, "/events"), { query, signal });
    const arrivals = pageEvents(page).flatMap((event) => this.take(event));
    this.isOver ||= page.ended && !this.isStale;
    return { arrivals, pollAfterMs: page.poll_after_ms };
  }
}

/**
 * The same with the ticket in the addresses of files, so that an `<audio>` or an `<img>` takes them. Files
 * that are elsewhere have whole addresses, and no other server is told what opens this one.
 */
const withTicket = (data: unknown, ticket: string): unknown =>
  JSON.parse(JSON.stringify(data).replace(/("url":"\/api\/artifacts\/[^"?#]*)"/g, `$1?ticket=${ticket}"`));
