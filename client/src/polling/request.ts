// A poll over HTTP: held by the server where it can be, and short where nothing is new.

import { TailwaterError } from "../errors.ts";
import type { Connection } from "../http.ts";

import type { Resource } from "./subjects.ts";
import { Cut } from "./trouble.ts";
import type { PollContext, PollOutcome } from "./types.ts";

/** How long a server is let hold a request, in seconds: below the 30 s after which proxies give up. */
const LONGEST_WAIT_S = 20;

/** An answer that takes so much longer than it was asked to will not come. */
const PATIENCE_MS = 30_000;

/** So many held requests may be cut on their way; then it is the way, not chance. */
const CUTS_BORNE = 2;

/** What a server or a proxy answers to a wait that it has cut, or (400) does not know. */
const WAIT_REFUSED: ReadonlySet<number | null> = new Set([400, 408, 502, 504, 524]);

/** What there is to be known of a resource. */
interface HasHint {
  readonly poll_after_ms?: number | null;
}

/** Asks after one resource, and remembers from poll to poll what it has seen. */
export class Question<View extends HasHint> {
  readonly #connection: Connection;
  readonly #resource: Resource<View>;
  #etag: string | null = null;
  #cuts = 0;

  constructor(connection: Connection, resource: Resource<View>) {
    this.#connection = connection;
    this.#resource = resource;
  }

  async ask(context: PollContext): Promise<PollOutcome<View>> {
    const wait = Math.min(LONGEST_WAIT_S, Math.floor(context.remainingMs / 1000) - 1);
    // Without a tag the server cannot know what would be news to us.
    const holds = this.#etag !== null && this.#cuts < CUTS_BORNE && wait > 0;
    const held = holds ? await this.#hold(wait, context) : null;
    return held ?? this.#get(0, context);
  }

  /** Lets the server hold the request; null where that did not get through, which is no error yet. */
  async #hold(wait: number, context: PollContext): Promise<PollOutcome<View> | null> {
    try {
      return { ...(await this.#get(wait, context)), held: true };
    } catch (error) {
      const { aborted, reason } = context.signal;
      const { code, status } = error instanceof TailwaterError ? error : { code: "", status: null };
      const cut = !aborted && (code === "unreachable" || code === "unreadable" || WAIT_REFUSED.has(status));
      if (cut || (reason instanceof Cut && reason.why === "stalled")) this.#cuts += status === 400 ? CUTS_BORNE : 1;
      if (cut) return null;
      throw error;
    }
  }

  async #get(wait: number, { signal, cutAfter }: PollContext): Promise<PollOutcome<View>> {
    cutAfter(wait * 1000 + PATIENCE_MS);
    const { body, etag, retryAfterMs } = await this.#connection.call<View>(this.#resource.path, {
      signal,
      query: { wait: wait || undefined },
      headers: this.#etag === null ? {} : { "if-none-match": this.#etag },
    });
    if (body === null) return { completed: false, pollAfterMs: retryAfterMs };
    const outcome = this.#resource.read(body);
    // The tag of an end is not kept: should the end be lost, because the page woke up meanwhile,
    // whoever asks again would only be told that nothing is new.
    const goesOn = !outcome.completed && outcome.shouldContinue !== false;
    this.#etag = goesOn ? etag : null;
    return { ...outcome, pollAfterMs: body.poll_after_ms ?? retryAfterMs };
  }
}
