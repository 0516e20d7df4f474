// What a watch takes and gives: the contract between the machine, its carriers and its callers.

import type { EventId, JobEvent, TerminalEvent } from "../events.ts";
import type { JobSummary } from "../types.ts";

/** What can carry events. `auto` begins with the best that there is and falls back by itself. */
export type Transport = "auto" | "fetch" | "eventsource" | "long-poll" | "poll";

/** Where a watch is; what a badge shows. */
export type Phase = "connecting" | "live" | "polling" | "reconnecting" | "ended";

/** The observable state of a watch. A new object whenever anything of it changes. */
export interface WatchState {
  readonly phase: Phase;
  /** Why it is so, a lower-case fragment for people; null while there is nothing to explain. */
  readonly reason: string | null;
  /** When the next try is due, in `Date.now()` milliseconds; null while none is planned. */
  readonly retryAt: number | null;
  /** What carries the events now; null while nothing does. */
  readonly carrier: Exclude<Transport, "auto"> | null;
  /** Whether another tab holds the connection. */
  readonly shared: boolean;
}

/** How often and how fast a watch tries again: one budget for whatever carries the events. */
export interface RetryOptions {
  /** Delays are drawn from 0 to base · 2^n … (default 500 ms). */
  readonly base?: number;
  /** … but never from more than this (default 30,000 ms). */
  readonly cap?: number;
  /** So many failures in a row and the watch gives up (default: never). */
  readonly limit?: number;
}

/** How a job is watched. */
export interface WatchOptions<Custom = unknown> {
  /** The cursor: the id of the last event that is known; 0 is the beginning. */
  readonly after?: EventId;
  /** Ends the watch, never the job. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: JobEvent<Custom>) => void;
  readonly onState?: (state: WatchState) => void;
  readonly transport?: Transport;
  /** The `stream_url` of the submit's answer, which carries a ticket. */
  readonly streamUrl?: string;
  /** Keeps the cursor in `sessionStorage`, so that a reload goes on where it was. */
  readonly remember?: boolean;
  /** One connection for all tabs of the origin; where it cannot be had, each its own (default true). */
  readonly share?: boolean;
  readonly retry?: RetryOptions;
  /** An external worker's own types of events: a native `EventSource` hears only what it knows by name. */
  readonly types?: readonly string[];
}

/**
 * A job that is being watched: the same events in the same order, whatever carries them.
 *
 * Iterating waits for events; leaving the loop, `close()` or the signal end the watch and never the
 * job. The iterator throws what ended the watch against its will (`TailwaterError`).
 */
export interface Watch<Custom = unknown> extends AsyncIterable<JobEvent<Custom>> {
  readonly jobId: string;
  /** The id of the last event that was handed out. */
  readonly cursor: EventId;
  readonly state: WatchState;
  /** Calls with every new state until the returned function is called. */
  subscribe(listener: (state: WatchState) => void): () => void;
  /** The terminal event; rejects when the watch ends without one. */
  readonly done: Promise<TerminalEvent>;
  close(): void;
}

/** An event of one of a project's jobs, or the snapshot of all of them. */
export type ProjectEvent =
  | (JobEvent & { readonly job: string })
  | {
      readonly job: null;
      readonly id: EventId | null;
      readonly type: "snapshot";
      readonly data: { readonly project: string; readonly jobs: readonly JobSummary[] };
    }
  | (Extract<JobEvent, { type: "hello" | "gap" | "bye" }> & { readonly job: null });

/** How a project is watched. */
export interface ProjectWatchOptions {
  /** The cursor; without one, a `snapshot` of the project's newest jobs comes first. */
  readonly after?: EventId;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ProjectEvent) => void;
  readonly onState?: (state: WatchState) => void;
  readonly transport?: Transport;
  readonly share?: boolean;
  readonly retry?: RetryOptions;
}

/** All jobs of a project, being watched. */
export interface ProjectWatch extends AsyncIterable<ProjectEvent> {
  readonly projectId: string;
  readonly state: WatchState;
  /** Calls with every new state until the returned function is called. */
  subscribe(listener: (state: WatchState) => void): () => void;
  close(): void;
}
