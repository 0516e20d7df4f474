// The hubs of this tab, by what may be seen through them.

import type { Connection } from "../http.ts";
import { realWorld } from "../watch/world.ts";
import { Hub } from "./hub.ts";

const hubs = new Map<string, Hub>();

/** The hub of a connection, where tabs can share. */
export function hubOf(connection: Connection): Hub {
  const name = `tailwater:${connection.name}`;
  const known = hubs.get(name);
  if (known !== undefined) return known;
  const channel = (): BroadcastChannel => new BroadcastChannel(name);
  const hub = new Hub({ name, connection, world: realWorld, locks: navigator.locks, channel, tab: newTab() });
  hubs.set(name, hub);
  return hub;
}

/** A name that no other tab has. */
const newTab = (): string => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
