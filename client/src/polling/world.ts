// Everything that polling needs from outside, so that tests can give it another world.

import type { Random } from "../backoff.ts";

/** What polling knows of the page that it runs in. */
export interface Page {
  hidden(): boolean;
  online(): boolean;
  /** Calls when it is worth asking at once, until the returned function is called. */
  onWake(wake: () => void): () => void;
}

/** The world around a poll. */
export interface PollingWorld {
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** UTC milliseconds. */
  now(): number;
  /** Calls once after so many milliseconds, unless the returned function is called before. */
  setTimer(callback: () => void, ms: number): () => void;
  readonly random: Random;
  readonly page: Page;
  readonly baseUrl: string;
  readonly token: string | null;
}

/** The browser's page; in Node and workers a page that is never hidden. */
const page: Page = {
  hidden: () => typeof document !== "undefined" && document.visibilityState === "hidden",
  // Node has a navigator without this field.
  online: () => typeof navigator === "undefined" || navigator.onLine !== false,
  onWake(wake) {
    const shown = (): void => {
      if (!page.hidden()) wake();
    };
    const globals = typeof addEventListener === "undefined" ? undefined : globalThis;
    const shows = typeof document === "undefined" ? undefined : document;
    globals?.addEventListener("online", wake);
    globals?.addEventListener("pageshow", wake);
    shows?.addEventListener("visibilitychange", shown);
    return () => {
      globals?.removeEventListener("online", wake);
      globals?.removeEventListener("pageshow", wake);
      shows?.removeEventListener("visibilitychange", shown);
    };
  },
};

/**
 * The world as it is. Globals are looked up when they are used, since a page may replace them.
 *
 * Timers are not unref'ed in Node: somebody awaits the poll, and the process must live to tell.
 */
export const realWorld: PollingWorld = {
  fetch: (url, init) => fetch(url, init),
  now: () => Date.now(),
  setTimer(callback, ms) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  page,
  baseUrl: "",
  token: null,
};
