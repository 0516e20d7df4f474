// A stream by the browser's own `EventSource`.
//
// It is closed at its first error: when to come back is the machine's to say, and three browsers
// have three opinions of which errors are for good.

import type { Item } from "../sse/parser.ts";
import type { Happening } from "./machine.ts";

/** Every type of events that the server itself sends; others have to be named to be heard. */
const TYPES = [
  "hello", "status", "progress", "content", "log", "artifact_ready", "tts_completed", "completed", "failed",
  "canceled", "snapshot", "gap", "queue", "bye",
] as const;

/** Stands for the comments that a native `EventSource` does not tell of, where the address asks for it. */
const KEEP_ALIVE = "keep-alive";

/** Listens until the stream breaks or is let go of, and gives what that means. */
export function readEventSource(
  url: string,
  types: readonly string[],
  hear: (items: readonly Item[]) => void,
  signal: AbortSignal,
): Promise<Happening> {
  const source = new EventSource(url);
  const listen = ({ type, data, lastEventId: id }: MessageEvent<string>): void => hear([{ kind: "event", type, data, id }]);
  for (const type of new Set([...TYPES, ...types])) source.addEventListener(type, listen);
  source.addEventListener(KEEP_ALIVE, () => hear([{ kind: "comment", text: KEEP_ALIVE }]));
  return new Promise((resolve) => {
    const close = (happening: Happening): void => {
      source.close();
      resolve(happening);
    };
    signal.addEventListener("abort", () => close({ what: "closed" }));
    // Closed by itself, it was refused, and does not tell by what status.
    source.addEventListener("error", () =>
      close(source.readyState === EventSource.CLOSED ? { what: "closed" } : { what: "broken", reason: "the connection broke" }));
  });
}
