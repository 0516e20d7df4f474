// Whether the tabs of this origin can share, and the way into that: what is loaded only then.

import type { Connection } from "../http.ts";
import type { Open, Source } from "../watch/source.ts";

/**
 * Whether tabs can share: outside of a browser they cannot, nor on pages that are neither https nor
 * loopback, where browsers have no Web Locks.
 */
export const canShare = (): boolean =>
  typeof location !== "undefined" && typeof navigator !== "undefined" && Boolean(navigator.locks) && typeof BroadcastChannel !== "undefined";

/** Subscribes at the hub of this tab; opens a source of its own where the hub does not load. */
export const sharedSource = (connection: Connection, alone: Open): Open => (subscriber) => {
  let source: Source | null = null;
  let isClosed = false;
  const enter = (open: Open): void => {
    if (!isClosed) source = open(subscriber);
  };
  import("./hubs.ts")
    .then(({ hubOf }) => enter((reader) => hubOf(connection).subscribe(reader)))
    .catch(() => enter(alone));
  return {
    close() {
      isClosed = true;
      source?.close();
    },
  };
};
