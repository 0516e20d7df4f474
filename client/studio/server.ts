// The server that this page came from.

import { Tailwater } from "../src/client.ts";

/** Everything that the page asks of its server goes through this. */
export const server = new Tailwater();

/** The project whose jobs are listed. */
export const PROJECT = "default";
