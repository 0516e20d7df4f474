// One job, on a connection of its own.

import { isTerminal } from "../events.ts";
import type { EventId } from "../events.ts";
import type { Connection } from "../http.ts";
import type { EventItem } from "../sse/parser.ts";
import { Cursor } from "./cursor.ts";
import { jobPath, pageEvents, rawEvent, type Address, type Arrival, type EventsPage, type Polled, type RawEvent, type Target } from "./target.ts";

export const jobTopic = (job: string): string => `job:${job}`;

/** A job as something to watch. */
export class JobTarget implements Target {
  readonly #job: string;
  readonly #cursor: Cursor;
  #streamUrl: string;
  #ended = false;

  constructor(job: string, after: EventId, streamUrl = jobPath(job, "/stream")) {
    this.#job = job;
    this.#cursor = new Cursor(after);
    this.#streamUrl = streamUrl;
  }

  topics(): readonly string[] {
    return [jobTopic(this.#job)];
  }

  address(): Address {
    return { path: this.#streamUrl, query: { after: this.#cursor.at || undefined } };
  }

  take(item: EventItem): readonly Arrival[] {
    return this.#arrivals([rawEvent(item)]);
  }

  async poll(connection: Connection, waitS: number, signal: AbortSignal): Promise<Polled> {
    const page = await this.#page(connection, { wait: waitS || undefined }, signal);
    const arrivals = this.#arrivals(pageEvents(page));
    this.#ended ||= page.ended;
    return { arrivals, pollAfterMs: page.poll_after_ms };
  }

  isOver(): boolean {
    return this.#ended;
  }

  finish(): readonly string[] {
    this.#ended = true;
    return this.topics();
  }

  async renew(connection: Connection, signal: AbortSignal): Promise<void> {
    const { stream_url } = await connection.json<{ stream_url: string }>(jobPath(this.#job), { signal });
    this.#streamUrl = stream_url;
  }

  /** There is nobody else who could be meant. */
  async sift(): Promise<[]> {
    return [];
  }

  #page(connection: Connection, query: { wait: number | undefined }, signal: AbortSignal): Promise<EventsPage> {
    const after = this.#cursor.at || undefined;
    return connection.json<EventsPage>(jobPath(this.#job, "/events"), { query: { after, ...query }, signal });
  }

  #arrivals(events: Iterable<RawEvent>): Arrival[] {
    const arrivals: Arrival[] = [];
    for (const event of events) {
      const { follows } = this.#cursor;
      if (!this.#cursor.take(event)) continue;
      this.#ended ||= event.id !== null && isTerminal(event.type);
      arrivals.push({ topic: jobTopic(this.#job), follows, event });
    }
    return arrivals;
  }
}
