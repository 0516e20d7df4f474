// The server that this page came from.

import { Tailwater } from "../src/client.ts";
import { TailwaterError } from "../src/errors.ts";

/** Everything that the page asks of its server goes through this. */
export const server = new Tailwater();

/** The project whose jobs are listed: that of the session, where it has one. */
export let PROJECT = "default";

/** Who uses the page, and what they may. */
export interface Session {
  readonly kind: "open" | "key" | "session";
  readonly scopes: readonly string[];
  readonly project_id?: string | null;
}

/** Who uses the page; nobody where the server wants a key first. Throws where it does not answer. */
export async function whoIsThere(): Promise<Session | null> {
  try {
    const session = await server.connection.json<Session>("/api/session");
    PROJECT = session.project_id ?? PROJECT;
    return session;
  } catch (problem) {
    if (problem instanceof TailwaterError && problem.status === 401) return null;
    throw problem;
  }
}
