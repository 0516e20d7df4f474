// One connection of a stream, from the request to its end.

import { failure, refusal, unreadable } from "../errors.ts";
import type { Fetch } from "../http.ts";
import { EventStreamParser, type Item } from "./parser.ts";

const NOTHING = new Uint8Array(0);

/** How a stream is opened. */
export interface OpenOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** The most characters that one event may hold. */
  readonly limit?: number | undefined;
}

/**
 * Opens a stream; null where the server says that it is over (204).
 *
 * The cursor belongs into the address, as `?after=`, and not into a `Last-Event-ID`: the header of a
 * `fetch` to another origin costs a preflight for each reconnect, and one form for every origin and
 * for long-polls too is one less to get wrong. For the same reason there is no `Cache-Control`; the
 * cache mode says it to the browser's own cache. Nothing sends both, so it does not matter which of
 * them the server prefers.
 *
 * Throws a `TailwaterError`: `unreachable` and `aborted` where no answer came, the server's code or
 * `refused` where it says no, `unreadable` where the answer is no event stream.
 */
export async function openStream(fetch: Fetch, url: string, { headers, signal, limit }: OpenOptions = {}): Promise<EventStream | null> {
  try {
    const response = await fetch(url, {
      headers: { ...headers, accept: "text/event-stream" },
      cache: "no-store",
      signal: signal ?? null,
    });
    const body = await judged(response);
    return body && new EventStream(body, new EventStreamParser({ limit }), signal);
  } catch (error) {
    throw failure(error, signal);
  }
}

/** A stream that is being read. */
export class EventStream {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #parser: EventStreamParser;
  readonly #signal: AbortSignal | undefined;

  constructor(body: ReadableStream<Uint8Array>, parser: EventStreamParser, signal?: AbortSignal) {
    this.#reader = body.getReader();
    this.#parser = parser;
    this.#signal = signal;
  }

  /**
   * What the next bytes complete, which may be nothing: that bytes came is news to a watchdog. Null
   * at the end of the response.
   */
  async read(): Promise<Item[] | null> {
    try {
      // What was wrong behind the items of the last read must not wait for more bytes.
      this.#parser.push(NOTHING);
      const { done, value } = await this.#reader.read();
      return done ? null : this.#parser.push(value);
    } catch (error) {
      this.cancel();
      throw failure(error, this.#signal, "the connection broke");
    }
  }

  /** Lets go of the connection; a `read` that waits gets its end. */
  cancel(): void {
    // What was wrong with a connection that nobody reads is of no interest.
    this.#reader.cancel().catch(() => undefined);
  }
}

/** The body of an answer that is a stream; null for one that says that there is none any more. */
async function judged(response: Response): Promise<ReadableStream<Uint8Array> | null> {
  const { status, headers, body } = response;
  if (status === 204) return null;
  if (status !== 200) throw await refusal(response);
  // Parameters do not count, a charset neither: a stream is UTF-8 whatever it is called.
  const type = headers.get("content-type") ?? "";
  const essence = type.split(";", 1)[0]?.trim().toLowerCase();
  if (essence !== "text/event-stream") {
    body?.cancel().catch(() => undefined);
    throw unreadable(`the answer is no event stream but ${type || "of no type"}`, { status });
  }
  // Some runtimes have no streams of bytes at all.
  if (!body) throw unreadable("the answer cannot be read as it comes", { status });
  return body;
}
