// Where a watch gets its events: a link of its own, or the one that the tabs of an origin share.

import type { EventId } from "../events.ts";
import type { TailwaterError } from "../errors.ts";
import type { Arrival } from "./target.ts";
import type { WatchState } from "./types.ts";

/** One reader of a topic. */
export interface Subscriber {
  readonly topic: string;
  /** The last id that it has. */
  after(): EventId;
  receive(arrival: Arrival): void;
  state(state: WatchState): void;
  end(error: TailwaterError | null): void;
}

/** A source of events; closing it ends one reader's part of it. */
export interface Source {
  /** Begins, where there is something to begin. */
  start?(): void;
  close(): void;
}

/** Begins to bring events to a reader. */
export type Open = (subscriber: Subscriber) => Source;
