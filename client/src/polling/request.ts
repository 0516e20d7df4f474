// A poll over HTTP: held by the server where it can be, and short where nothing is new.

import { refusal, TailwaterError, unreadable } from "../errors.ts";
import { clampRetryAfter, parseRetryAfter } from "../retry-after.ts";

import type { Fields, Resource } from "./subjects.ts";
import { Cut } from "./trouble.ts";
import type { PollContext, PollFunction, PollOutcome } from "./types.ts";
import type { PollingWorld } from "./world.ts";

/** How long a server is let hold a request, in seconds: below the 30 s after which proxies give up. */
const LONGEST_WAIT_S = 20;

/** An answer that takes so much longer than it was asked to will not come. */
const PATIENCE_MS = 30_000;

/** So many held requests may be cut on their way; then it is the way, not chance. */
const CUTS_BORNE = 2;

/** What a server or a proxy answers to a wait that it has cut, or (400) does not know. */
const WAIT_REFUSED: ReadonlySet<number> = new Set([400, 408, 502, 504, 524]);

/** Asks after one resource, and remembers from poll to poll what it has seen. */
export function resourcePoll<T>(world: PollingWorld, resource: Resource<T>): PollFunction<T> {
  const question = new Question(world, resource);
  return (context) => question.ask(context);
}

class Question<T> {
  readonly #world: PollingWorld;
  readonly #resource: Resource<T>;
  #etag: string | null = null;
  #cuts = 0;

  constructor(world: PollingWorld, resource: Resource<T>) {
    this.#world = world;
    this.#resource = resource;
  }

  async ask(context: PollContext): Promise<PollOutcome<T>> {
    const most = Math.min(LONGEST_WAIT_S, Math.floor(context.remainingMs / 1000) - 1);
    // Without a tag the server cannot know what would be news to us.
    const holds = this.#etag !== null && this.#cuts < CUTS_BORNE && most > 0;
    const held = holds ? await this.#hold(most, context) : null;
    return held ?? this.#read(await this.#get(0, context), context);
  }

  /** Lets the server hold the request; null where that did not get through, which is no error yet. */
  async #hold(wait: number, context: PollContext): Promise<PollOutcome<T> | null> {
    try {
      const response = await this.#get(wait, context);
      if (!WAIT_REFUSED.has(response.status)) return { ...(await this.#read(response, context)), held: true };
      // The rest of the answer would keep the connection from being used again.
      await response.text();
      this.#cuts += response.status === 400 ? CUTS_BORNE : 1;
      return null;
    } catch (error) {
      const { aborted, reason } = context.signal;
      const broken = !aborted && !(error instanceof TailwaterError && error.status !== null);
      if (broken || (reason instanceof Cut && reason.why === "stalled")) this.#cuts += 1;
      if (broken) return null;
      throw error;
    }
  }

  #get(wait: number, { signal, cutAfter }: PollContext): Promise<Response> {
    const { baseUrl, token } = this.#world;
    const headers: Record<string, string> = { accept: "application/json" };
    if (token !== null) headers["authorization"] = `Bearer ${token}`;
    if (this.#etag !== null) headers["if-none-match"] = this.#etag;
    cutAfter(wait * 1000 + PATIENCE_MS);
    const url = baseUrl.replace(/\/+$/, "") + this.#resource.path + (wait > 0 ? `?wait=${wait}` : "");
    // What a cache of HTTP knows is what was true at an earlier poll.
    return this.#world.fetch(url, { headers, signal, cache: "no-store" });
  }

  async #read(response: Response, { signal }: PollContext): Promise<PollOutcome<T>> {
    const { status, headers } = response;
    if (!response.ok && status !== 304) throw await refusal(response);
    const text = await response.text();
    const fields = status === 304 ? {} : parse(text);
    const told = fields.poll_after_ms;
    const pollAfterMs =
      typeof told === "number" ? clampRetryAfter(told) : parseRetryAfter(headers.get("retry-after"), this.#world.now());
    if (status === 304) return { completed: false, pollAfterMs };
    const outcome = this.#resource.read(fields);
    // The tag of an answer that was lost, or that ends the poll, is not kept: whoever asks again
    // would only be told that nothing is new.
    const goesOn = !outcome.completed && outcome.shouldContinue !== false && !signal.aborted;
    this.#etag = goesOn ? headers.get("etag") : null;
    return { ...outcome, pollAfterMs };
  }
}

function parse(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    // Any value of JSON that is an object has fields; an array's are no answer, and decide nothing.
    if (typeof value === "object" && value !== null) return { ...value };
  } catch {
    // A proxy's page, say: told below, as any other answer that cannot be read.
  }
  throw unreadable("the server's answer is no JSON object");
}
