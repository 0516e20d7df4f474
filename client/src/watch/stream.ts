// A stream by `fetch`, as happenings for the machine.

import type { Connection } from "../http.ts";
import type { Item } from "../sse/parser.ts";
import { openStream } from "../sse/reader.ts";
import type { Happening } from "./machine.ts";
import { fields, type Arrival, type Target } from "./target.ts";

/** What reading a stream needs. */
export interface StreamOptions {
  readonly connection: Connection;
  readonly target: Target;
  readonly url: string;
  readonly signal: AbortSignal;
  readonly hear: (happening: Happening) => void;
  readonly take: (arrivals: readonly Arrival[]) => void;
}

/** Reads a stream to its end. Throws where it is refused or breaks; what it says goes to `hear` and `take`. */
export async function readStream({ connection, target, url, signal, hear, take }: StreamOptions): Promise<void> {
  const stream = await openStream(connection.fetch, url, { headers: connection.headersFor(url), signal });
  if (stream === null) return hear({ what: "over" });
  for (;;) {
    const items = await stream.read();
    if (signal.aborted) return stream.cancel();
    if (items === null) return hear({ what: "broken", reason: "the stream ended" });
    for (const happening of happenings(items)) hear(happening);
    // All that one read brought is handed on together: a page draws it once.
    const arrivals = items.flatMap((item) => (item.kind === "event" ? target.take(item) : []));
    if (arrivals.length > 0) take(arrivals);
  }
}

/** What the items of one read mean to the machine, in their order. */
function* happenings(items: readonly Item[]): Generator<Happening> {
  for (const item of items) {
    if (item.kind === "retry") yield { what: "retry", ms: item.ms };
    else if (item.kind === "event") yield* meaning(item.type, item.data);
  }
  // A comment alone is a keep-alive. Bytes that complete nothing are a sign of life like any other.
  yield { what: "heard", idle: items.length > 0 && items.every(({ kind }) => kind === "comment") };
}

/** What an event means to the machine besides what it brings. */
export function* meaning(type: string, data: string): Generator<Happening> {
  if (type === "hello") yield { what: "hello", keepAliveMs: numberIn(data, "keep_alive_ms") };
  if (type === "bye") yield { what: "bye", retryMs: numberIn(data, "retry_ms") };
}

function numberIn(data: string, name: string): number | null {
  try {
    const value = fields(JSON.parse(data))[name];
    return typeof value === "number" && value > 0 ? value : null;
  } catch {
    return null;
  }
}
