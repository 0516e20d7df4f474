// All jobs of a project, new ones too.

import type { EventId } from "../events.ts";
import type { Connection } from "../http.ts";
import type { EventItem } from "../sse/parser.ts";
import { Cursor } from "./cursor.ts";
import { fields, rawEvent, type Address, type Arrival, type Polled, type RawEvent, type Target } from "./target.ts";

export const projectTopic = (project: string): string => `project:${project}`;

/** A project's jobs, as `GET /api/project/{id}` shows them. */
interface ProjectPage {
  readonly jobs: readonly unknown[];
  readonly poll_after_ms: number | null;
}

/** A project as something to watch. Where streams do not get through, its newest state is polled. */
export class ProjectTarget implements Target {
  readonly #project: string;
  readonly #cursor: Cursor;
  /** Went back: what is under way brings the wrong events now. */
  #stale = false;
  /** What the last poll was answered with; a poll that brings the same brings nothing. */
  #tag: string | null = null;

  constructor(project: string, after: EventId = 0) {
    this.#project = project;
    this.#cursor = new Cursor(after);
  }

  topics(): readonly string[] {
    return [projectTopic(this.#project)];
  }

  address(): Address {
    this.#stale = false;
    const path = `/api/projects/${encodeURIComponent(this.#project)}/stream`;
    return { path, query: { after: this.#cursor.at || undefined } };
  }

  /** Begins again, as a reader who has nothing yet needs it. */
  rewind(after: EventId): void {
    this.#cursor.rewind(after);
    this.#tag = null;
    this.#stale = true;
  }

  take(item: EventItem): readonly Arrival[] {
    const event = rawEvent(item);
    const { job, data } = fields(event.data);
    const isOfJob = typeof job === "string" && data !== undefined;
    return this.#arrive(isOfJob ? { ...event, data, job } : { ...event, job: null });
  }

  async poll(connection: Connection, waitS: number, signal: AbortSignal): Promise<Polled> {
    this.#stale = false;
    const headers = this.#tag === null ? {} : { "if-none-match": this.#tag };
    const query = { wait: this.#tag !== null && waitS > 0 ? waitS : undefined };
    const path = `/api/project/${encodeURIComponent(this.#project)}`;
    const { body, etag } = await connection.call<ProjectPage>(path, { query, headers, signal });
    if (body === null) return { arrivals: [], pollAfterMs: null };
    this.#tag = etag;
    const data = { project: this.#project, jobs: body.jobs };
    return { arrivals: this.#arrive({ id: null, type: "snapshot", data, job: null }), pollAfterMs: body.poll_after_ms };
  }

  /** A project has no end. */
  isOver(): boolean {
    return false;
  }

  finish(): readonly string[] {
    return [];
  }

  async renew(): Promise<void> {}

  async sift(): Promise<[]> {
    return [];
  }

  #arrive(event: RawEvent): Arrival[] {
    if (this.#stale) return [];
    const { follows } = this.#cursor;
    return this.#cursor.take(event) ? [{ topic: projectTopic(this.#project), follows, event }] : [];
  }
}
