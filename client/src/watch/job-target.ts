// One job, on a connection of its own.

import type { EventId } from "../events.ts";
import type { Connection } from "../http.ts";
import { JobReader } from "./job-reader.ts";
import { jobPath, type Address, type Target } from "./target.ts";

/** A job as something to watch. */
export class JobTarget extends JobReader implements Target {
  #streamUrl: string;

  constructor(job: string, after: EventId, streamUrl = jobPath(job, "/stream")) {
    super(job, after);
    this.#streamUrl = streamUrl;
    this.ticket = ticketOf(streamUrl);
  }

  address(): Address {
    return { path: this.#streamUrl, query: { after: this.cursor.at || undefined } };
  }

  finish(): void {
    this.isOver = true;
  }

  async renew(connection: Connection, signal: AbortSignal): Promise<void> {
    const { stream_url } = await connection.json<{ stream_url: string }>(jobPath(this.job), { signal });
    this.#streamUrl = stream_url;
    this.ticket = ticketOf(stream_url);
  }
}

const ticketOf = (url: string): string | undefined => /[?&]ticket=([^&#]+)/.exec(url)?.[1];
