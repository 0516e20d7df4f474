// A world for polls in which time is fake and every request is on record.

import { afterEach, beforeEach, expect, vi } from "vitest";

import type { PollingWorld } from "../../src/polling/index.ts";
import { SmartPollingManager } from "../../src/polling/index.ts";

/** A request as the server saw it. */
export interface Seen {
  /** Milliseconds since the test began. */
  readonly at: number;
  readonly url: string;
  readonly headers: Headers;
  /** How many were open with it. */
  readonly open: number;
  readonly signal: AbortSignal;
}

/** What a server makes of a request; an `Error` is a network that breaks. */
export type Handler = (seen: Seen, index: number) => Response | Error | Promise<Response | Error>;

/** A page whose looks a test decides. */
export class TestPage {
  hidden = false;
  online = true;
  readonly listeners = new Set<() => void>();

  /** The network is back, say: a page that nobody sees does not mind. */
  wake(): void {
    if (!this.hidden) for (const wake of [...this.listeners]) wake();
  }

  show(): void {
    this.hidden = false;
    this.wake();
  }
}

/** A manager on fake time, its server and its page. */
export class TestWorld {
  readonly page = new TestPage();
  readonly requests: Seen[] = [];
  readonly manager: SmartPollingManager;
  open = 0;
  readonly #since = Date.now();

  constructor(handler: Handler, world: Partial<PollingWorld> = {}) {
    this.manager = new SmartPollingManager({
      random: () => 0,
      isHidden: () => this.page.hidden,
      isOnline: () => this.page.online,
      onAttention: (wake) => {
        this.page.listeners.add(wake);
        return () => this.page.listeners.delete(wake);
      },
      fetch: (url, init) => this.#fetch(handler, url, init),
      ...world,
    });
  }

  /** When each request began. */
  get times(): number[] {
    return this.requests.map((seen) => seen.at);
  }

  /** Nothing of any poll is left. */
  expectNothingLeft(): void {
    expect(vi.getTimerCount()).toBe(0);
    expect(this.open).toBe(0);
    expect(this.page.listeners.size).toBe(0);
    expect(this.manager.getPollingStatus()).toEqual([]);
  }

  async #fetch(handler: Handler, url: string, init: RequestInit = {}): Promise<Response> {
    const { signal } = init;
    if (!(signal instanceof AbortSignal)) throw new Error("a request that cannot be aborted");
    this.open += 1;
    const seen = { at: Date.now() - this.#since, url, headers: new Headers(init.headers), open: this.open, signal };
    this.requests.push(seen);
    try {
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
      const answer = await Promise.race([aborted, handler(seen, this.requests.length - 1)]);
      if (answer instanceof Error) throw answer;
      return answer;
    } finally {
      this.open -= 1;
    }
  }
}

/** Fake time in every test of a file. */
export function useFakeTime(): void {
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 10, 26, 12, 0, 0) });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}

/** Lets so many milliseconds pass. */
export const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** An answer of JSON. */
export const json = (body: unknown, headers: Record<string, string> = {}, status = 200): Response =>
  Response.json(body, { status, headers });

/** A file that is being made, or is there. */
export const file = (status: "running" | "completed" | "failed" | "canceled", more: object = {}): object => ({
  id: "file_1",
  job_id: "job_1",
  status,
  completed: status === "completed",
  url: status === "completed" ? "/api/artifacts/file_1/content" : null,
  ...more,
});

/** An answer that says no, as the server says it. */
export const problem = (status: number, headers: Record<string, string> = {}): Response =>
  Response.json(
    { type: "/problems/x", title: "No", status, detail: `no, ${status}`, code: "x", retryable: status >= 429 },
    { status, headers: { "content-type": "application/problem+json", ...headers } },
  );

/** A network that breaks, as `fetch` says it. */
export const broken = (): Error => new TypeError("fetch failed");

/** A request that nobody answers. */
export const hang = (): Promise<never> => new Promise(() => undefined);

/** A server that knows tags and holds a request until its file changes, as PROTOCOL.md § 3 says. */
export class HoldingServer {
  readonly #changes: readonly number[];
  readonly #end: number;

  constructor(life: { readonly changes: readonly number[]; readonly end: number }) {
    this.#changes = life.changes;
    this.#end = life.end;
  }

  readonly handler: Handler = async ({ at, url, headers }) => {
    const wait = Number(new URL(url, "http://server").searchParams.get("wait") ?? 0) * 1_000;
    const known = headers.get("if-none-match");
    let now = at;
    if (known === this.#tag(now) && wait > 0) {
      now = Math.min(this.#next(now), at + wait);
      await new Promise((resolve) => setTimeout(resolve, now - at));
    }
    const tag = this.#tag(now);
    const told = { etag: tag, "retry-after": "1" };
    if (known === tag) return new Response(null, { status: 304, headers: told });
    return json(file(now >= this.#end ? "completed" : "running", { poll_after_ms: 300 }), told);
  };

  /** When the answer changes after `now`. */
  #next(now: number): number {
    return this.#changes.find((change) => change > now) ?? this.#end;
  }

  #tag(now: number): string {
    const version = this.#changes.filter((change) => change <= now).length;
    return `W/"${version}${now >= this.#end ? "-end" : ""}"`;
  }
}
