// The hubs of this tab, by what may be seen through them.

import type { Connection } from "../http.ts";
import { realWorld } from "../watch/world.ts";
import { Hub } from "./hub.ts";

const hubs = new Map<string, Hub>();

/** The hub of a connection, where tabs can share. */
export function hubOf(connection: Connection): Hub {
  const address = connection.url("");
  const name = `tailwater:${address}#${shadow(connection.headersFor(address).authorization ?? "")}`;
  const known = hubs.get(name);
  if (known !== undefined) return known;
  const channel = (): BroadcastChannel => new BroadcastChannel(name);
  const hub = new Hub({ name, connection, world: realWorld, locks: navigator.locks, channel, tab: newTab() });
  hubs.set(name, hub);
  return hub;
}

/** A number that two tokens hardly share, and of which none can be told. */
function shadow(token: string): string {
  let hash = 0x811c9dc5;
  // FNV-1a, 32 bit: <https://www.rfc-editor.org/rfc/rfc9923>.
  for (const byte of new TextEncoder().encode(token)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16);
}

/** A name that no other tab has. */
const newTab = (): string => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
