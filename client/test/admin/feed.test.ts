// The stream that the page lives on: it comes back, whatever became of it.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { WatchState } from "../../src/index.ts";
import { delayOf, openFeed } from "../../admin/feed.ts";
import type { Feed, Source } from "../../admin/feed.ts";

/** An `EventSource` that does what a test says. */
class Scripted implements Source {
  readyState = 0;
  onopen: ((event: Event) => unknown) | null = null;
  onerror: ((event: Event) => unknown) | null = null;
  readonly #listeners = new Map<string, (event: MessageEvent<string>) => void>();

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.#listeners.set(type, listener);
  }
  say(type: string, data: unknown): void {
    this.readyState = 1;
    this.#listeners.get(type)?.(new MessageEvent(type, { data: JSON.stringify(data) }));
  }
  /** The connection broke; the browser tries again by itself, or has given up. */
  fail(gaveUp: boolean): void {
    this.readyState = gaveUp ? 2 : 0;
    this.onerror?.(new Event("error"));
  }
  close(): void {
    this.readyState = 2;
  }
}

let opened: Scripted[];
let states: WatchState[];
let taken: unknown[];
let feed: Feed;
const phase = (): string | undefined => states.at(-1)?.phase;

function begin(mayRetry: () => Promise<boolean>): Scripted {
  feed = openFeed("/api/admin/stream", {
    on: { figures: (data) => taken.push(data) },
    onState: (state) => states.push(state),
    mayRetry,
    silenceMs: 8_000,
    open: () => {
      const source = new Scripted();
      opened.push(source);
      return source;
    },
  });
  return newest();
}

function newest(): Scripted {
  const source = opened.at(-1);
  if (source === undefined) throw new Error("nothing was opened");
  return source;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("addEventListener", () => undefined);
  vi.stubGlobal("removeEventListener", () => undefined);
  vi.stubGlobal("document", { hidden: false, addEventListener: () => undefined, removeEventListener: () => undefined });
  [opened, states, taken] = [[], [], []];
});
afterEach(() => {
  feed.close();
  vi.useRealTimers();
});

test("it is live once something came, and hands on what it was told", () => {
  begin(() => Promise.resolve(true));
  expect(phase()).toBe("connecting");
  newest().say("figures", { readers: 1 });
  expect(phase()).toBe("live");
  expect(taken).toEqual([{ readers: 1 }]);
});

test("a break that the browser mends is said, and left to the browser", () => {
  begin(() => Promise.resolve(true)).fail(false);
  expect(states.at(-1)).toMatchObject({ phase: "reconnecting", retryAt: null });
  newest().say("figures", {});
  expect([phase(), opened.length]).toEqual(["live", 1]);
});

test("an answer that is no stream is tried again after a while", async () => {
  begin(() => Promise.resolve(true)).fail(true);
  await vi.advanceTimersByTimeAsync(0);
  expect(states.at(-1)).toMatchObject({ phase: "reconnecting", reason: "the server did not answer with a stream" });
  expect(states.at(-1)?.retryAt).toBeGreaterThan(Date.now());
  await vi.advanceTimersByTimeAsync(1_000);
  expect(opened.length).toBe(2);
});

test("a stream that may not be opened is not tried again", async () => {
  begin(() => Promise.resolve(false)).fail(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([phase(), opened.length]).toEqual(["ended", 1]);
});

test("a stream that falls silent is opened anew", async () => {
  begin(() => Promise.resolve(true)).say("figures", {});
  await vi.advanceTimersByTimeAsync(7_900);
  expect(phase()).toBe("live");
  await vi.advanceTimersByTimeAsync(1_200);
  expect(opened.length).toBe(2);
});

test("delays grow to twenty seconds", () => {
  expect([0, 1, 2, 9].map((failures) => delayOf(failures, 1))).toEqual([1_000, 2_000, 4_000, 20_000]);
  expect(delayOf(0, 0)).toBe(500);
});
