// All jobs of a project, new ones too.

import type { EventId } from "../events.ts";
import type { Connection } from "../http.ts";
import type { ProjectView } from "../types.ts";
import { Cursor } from "./cursor.ts";
import { fields, type Address, type Arrival, type Polled, type RawEvent, type Target } from "./target.ts";

/** A project as something to watch. Where streams do not get through, its newest state is polled. */
export class ProjectTarget implements Target {
  /** A project has no end. */
  readonly isOver = false;
  readonly #project: string;
  readonly #cursor: Cursor;
  /** Went back: what is under way brings the wrong events now. */
  #isStale = false;
  /** What the last poll was answered with; a poll that brings the same brings nothing. */
  #etag: string | null = null;

  constructor(project: string, after: EventId = 0) {
    this.#project = project;
    this.#cursor = new Cursor(after);
  }

  address(): Address {
    this.#isStale = false;
    return { path: `/api/projects/${encodeURIComponent(this.#project)}/stream`, query: { after: this.#cursor.at || undefined } };
  }

  /** Begins again, as a reader who has nothing yet needs it. */
  rewind(after: EventId): void {
    this.#cursor.rewind(after);
    this.#etag = null;
    this.#isStale = true;
  }

  take(event: RawEvent): readonly Arrival[] {
    const { job, data } = fields(event.data);
    return this.#arrive(typeof job === "string" && data !== undefined ? { ...event, data, job } : { ...event, job: null });
  }

  async poll(connection: Connection, waitS: number, signal: AbortSignal): Promise<Polled> {
    this.#isStale = false;
    const project = this.#project;
    const etag = this.#etag;
    const { body, etag: newest } = await connection.call<ProjectView>(`/api/project/${encodeURIComponent(project)}`, {
      query: { wait: (etag !== null && waitS) || undefined },
      headers: etag === null ? {} : { "if-none-match": etag },
      signal,
    });
    if (body === null) return { arrivals: [], pollAfterMs: null };
    this.#etag = newest;
    const data = { project, jobs: body.jobs };
    return { arrivals: this.#arrive({ id: null, type: "snapshot", data, job: null }), pollAfterMs: body.poll_after_ms };
  }

  finish(): void {
    // A project has no end.
  }

  #arrive(event: RawEvent): Arrival[] {
    if (this.#isStale) return [];
    const { follows } = this.#cursor;
    return this.#cursor.take(event) ? [{ topic: `project:${this.#project}`, follows, event }] : [];
  }
}
