// The one number that a reader keeps, and the rule by which it moves.

import type { EventId } from "../events.ts";

/** What of an event a cursor looks at. */
interface Passing {
  readonly id: EventId | null;
  readonly type: string;
}

/** The id of the last event that was taken. Whatever carries events, none at or below it is taken again. */
export class Cursor {
  #at: EventId;
  /** After a `gap` the snapshot's id may be lower: the history is another one. */
  #anew = false;

  constructor(after: EventId = 0) {
    this.#at = after;
  }

  get at(): EventId {
    return this.#at;
  }

  /** What the next event has to follow on; null where it may be any, after a `gap`. */
  get follows(): EventId | null {
    return this.#anew ? null : this.#at;
  }

  /** Takes an event and moves to it; false for one that was taken before. */
  take({ id, type }: Passing): boolean {
    if (type === "gap") this.#anew = true;
    if (id === null) return true;
    if (id <= this.#at && !this.#anew) return false;
    this.#at = id;
    this.#anew = false;
    return true;
  }

  /** Goes back to where another reader is. */
  rewind(to: EventId): void {
    this.#at = Math.min(this.#at, to);
  }
}

const keyOf = (scope: string, job: string): string => `tailwater:after:${scope}:${job}`;

/** The cursor that this tab kept of a job; 0 where it kept none. */
export function recall(scope: string, job: string): EventId {
  try {
    const kept = Number(sessionStorage.getItem(keyOf(scope, job)));
    return Number.isSafeInteger(kept) && kept > 0 ? kept : 0;
  } catch {
    // No storage: a worker, a server, or a page that may not.
    return 0;
  }
}

/** Keeps a job's cursor for the time after a reload; where nothing can be kept, nothing is. */
export function keep(scope: string, job: string, after: EventId): void {
  try {
    sessionStorage.setItem(keyOf(scope, job), String(after));
  } catch {
    // As above, or the storage is full: then a reload begins at the beginning.
  }
}
