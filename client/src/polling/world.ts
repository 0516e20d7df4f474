// What polling needs of its surroundings, besides what a watch needs.

import type { Fetch } from "../http.ts";
import { realWorld as watchWorld, type World } from "../watch/world.ts";

/** The surroundings of a poll; tests bring their own. */
export interface PollingWorld extends World {
  readonly fetch: Fetch;
  /** Whether the network is not known to be away. */
  isOnline(): boolean;
  /** In front of `/api`; empty for the page's own origin. */
  readonly baseUrl: string;
  readonly token: string | undefined;
}

/**
 * The surroundings as they are. Globals are looked up when they are used, since a page may put
 * something around them.
 *
 * Timers are not unref'ed in Node: somebody awaits the poll, and the process must live to tell.
 */
export const realWorld: PollingWorld = {
  ...watchWorld,
  fetch: (input, init) => fetch(input, init),
  // Node has a navigator without this field, and once had none.
  isOnline: () => globalThis.navigator?.onLine !== false,
  baseUrl: "",
  token: undefined,
};
