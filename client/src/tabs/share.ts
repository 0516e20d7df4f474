// Whether the tabs of this origin can share, and the hub through which they do.

import type { Connection } from "../http.ts";
import { realWorld } from "../watch/world.ts";
import { Hub, type Channel } from "./hub.ts";

/** The hubs of this tab, by what may be seen through them. */
const hubs = new Map<string, Hub>();

/**
 * The hub of a connection; null where there can be none: outside of a browser, and on pages that are
 * neither https nor loopback, where browsers have no Web Locks.
 */
export function hubOf(connection: Connection): Hub | null {
  const inBrowser = typeof location !== "undefined" && typeof navigator !== "undefined";
  // Documents that are no browser's, as in tests, may have the name and nothing behind it.
  const locks = inBrowser && "locks" in navigator ? navigator.locks : null;
  if (locks === null || typeof BroadcastChannel === "undefined") return null;
  const name = `tailwater:${connection.name}`;
  const known = hubs.get(name);
  if (known !== undefined) return known;
  const channel = (): Channel => new BroadcastChannel(name);
  const hub = new Hub({ name, connection, world: realWorld, locks, channel, tab: newTab() });
  hubs.set(name, hub);
  return hub;
}

/** A name that no other tab has. */
const newTab = (): string => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
