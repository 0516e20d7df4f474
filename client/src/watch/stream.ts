// A stream by `fetch`.

import type { Connection } from "../http.ts";
import type { Item } from "../sse/parser.ts";
import { openStream } from "../sse/reader.ts";
import type { Happening } from "./machine.ts";

/**
 * Reads a stream to its end, and gives what that means; all that one read brought goes to `hear`
 * together, so that a page draws it once. Throws where the stream is refused or breaks.
 */
export async function readStream(
  connection: Connection,
  url: string,
  hear: (items: readonly Item[]) => void,
  signal: AbortSignal,
): Promise<Happening> {
  const stream = await openStream(connection.fetch, url, { headers: connection.headersFor(url), signal });
  if (stream === null) return { what: "over" };
  for (let items = await stream.read(); items !== null; items = await stream.read()) {
    // Not every `fetch` heeds its signal.
    if (signal.aborted) stream.cancel();
    else hear(items);
  }
  return { what: "broken", reason: "the stream ended" };
}
