// A stream by the browser's own `EventSource`, as happenings for the machine.
//
// It is closed at its first error: when to come back is the machine's to say, and three browsers
// have three opinions of which errors are for good.

import type { Happening } from "./machine.ts";
import { meaning } from "./stream.ts";
import type { Arrival, Target } from "./target.ts";

/** Every type of events that the server itself sends; others have to be named to be heard. */
const TYPES = [
  "hello", "status", "progress", "content", "log", "artifact_ready", "tts_completed", "completed", "failed",
  "canceled", "snapshot", "gap", "queue", "bye", "keep-alive",
] as const;

/** What reading needs. */
export interface EventSourceOptions {
  readonly target: Target;
  readonly url: string;
  /** An external worker's own types. */
  readonly types: readonly string[];
  readonly signal: AbortSignal;
  readonly hear: (happening: Happening) => void;
  readonly take: (arrivals: readonly Arrival[]) => void;
}

/** Listens until the stream breaks or is let go of. */
export function readEventSource({ target, url, types, signal, hear, take }: EventSourceOptions): Promise<void> {
  const source = new EventSource(url);
  const listen = (message: MessageEvent<string>): void => {
    const { type, data, lastEventId } = message;
    for (const happening of meaning(type, data)) hear(happening);
    hear({ what: "heard", idle: type === "keep-alive" });
    if (type !== "keep-alive") take(target.take({ kind: "event", type, data, id: lastEventId }));
  };
  for (const type of new Set([...TYPES, ...types])) source.addEventListener(type, listen);
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      source.close();
      resolve();
    });
    source.addEventListener("error", () => {
      // Closed by itself, it was refused, and does not tell by what status.
      const refused = source.readyState === EventSource.CLOSED;
      source.close();
      resolve();
      hear(refused ? { what: "closed" } : { what: "broken", reason: "the connection broke" });
    });
  });
}
