// What happens in front of the reader, and what is history: a narration that was made yesterday does
// not begin to play by itself.

import type { EventId, FoldableEvent } from "../src/index.ts";

/** Tells news from history, for one visit of one job. */
export interface Liveness {
  /** The newest id that there was when the visit began, as the server's answer to a question says it. */
  known(last: EventId): void;
  /** Takes an event, in order, and says whether it is news. */
  take(event: FoldableEvent): boolean;
}

/** A visit that begins now. */
export function liveness(): Liveness {
  let begin: EventId | null = null;
  return {
    known(last) {
      begin ??= last;
    },
    take({ id, type, data }) {
      if (begin === null && type === "hello" && typeof data === "object" && data !== null && "head" in data) {
        begin = Number(data.head);
      }
      return id !== null && begin !== null && id > begin;
    },
  };
}
