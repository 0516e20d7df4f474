// A stream that the page lives on: native `EventSource`, which comes back by itself; where it gives up
// (an answer that is no stream) or falls silent, we open another one.

import type { WatchState } from "../src/index.ts";

/** What can be listened to, as `EventSource` is. */
export interface Source {
  readonly readyState: number;
  onopen: ((event: Event) => unknown) | null;
  onerror: ((event: Event) => unknown) | null;
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

/** What a stream needs of the world around it. */
export interface FeedOptions {
  /** What is listened for, by the events' names. */
  readonly on: Readonly<Record<string, (data: unknown) => void>>;
  readonly onState: (state: WatchState) => void;
  /** The stream was refused: whether it is of use to try again. */
  readonly mayRetry: () => Promise<boolean>;
  /** Where something comes at least so often, in milliseconds, silence means that the stream is dead. */
  readonly silenceMs?: number;
  readonly open?: (url: string) => Source;
}

/** A stream that is kept open. */
export interface Feed {
  close(): void;
}

const CLOSED = 2;
const BASE_MS = 1_000;
const CAP_MS = 20_000;

/** The delay before the next try, a little different for everybody. */
export const delayOf = (failures: number, chance: number): number => (
  Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures, 8)) * (0.5 + chance / 2)
);

/** Opens `url`, and keeps it open until it is closed. */
export function openFeed(url: string, options: FeedOptions): Feed {
  const open = options.open ?? ((address: string): Source => new EventSource(address));
  let source: Source | null = null;
  let failures = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let silence: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;

  const say = (phase: WatchState["phase"], reason: string | null = null, retryAt: number | null = null): void => {
    if (!isClosed) options.onState({ phase, reason, retryAt, carrier: phase === "live" ? "eventsource" : null, shared: false });
  };

  function begin(): void {
    if (isClosed) return;
    clearTimeout(retry);
    source?.close();
    const opened = open(url);
    source = opened;
    opened.onopen = () => heard();
    opened.onerror = () => void broken(opened);
    for (const [type, take] of Object.entries(options.on)) {
      opened.addEventListener(type, ({ data }) => {
        heard();
        take(JSON.parse(data));
      });
    }
    listen();
  }

  /** Something came: the stream is alive. */
  function heard(): void {
    failures = 0;
    say("live");
    listen();
  }

  function listen(): void {
    clearTimeout(silence);
    if (options.silenceMs === undefined || isClosed) return;
    silence = setTimeout(() => later("the stream fell silent"), options.silenceMs);
  }

  async function broken(which: Source): Promise<void> {
    if (which !== source || isClosed) return;
    if (which.readyState !== CLOSED) return say("reconnecting", "the stream broke off; the browser opens it again");
    clearTimeout(silence);
    // Why an answer was no stream, the browser keeps to itself.
    if (await options.mayRetry()) {
      if (which === source) later("the server did not answer with a stream");
    } else {
      say("ended", "the server wants a key that may do this");
      close();
    }
  }

  function later(reason: string): void {
    source?.close();
    clearTimeout(silence);
    const delay = delayOf(failures, Math.random());
    failures += 1;
    say("reconnecting", reason, Date.now() + delay);
    clearTimeout(retry);
    retry = setTimeout(begin, delay);
  }

  /** A laptop that wakes, or a network that is back, does not wait for the next try. */
  function wake(): void {
    if (isClosed || document.hidden || source?.readyState === 1) return;
    begin();
  }

  function close(): void {
    isClosed = true;
    clearTimeout(retry);
    clearTimeout(silence);
    source?.close();
    removeEventListener("online", wake);
    document.removeEventListener("visibilitychange", wake);
  }

  addEventListener("online", wake);
  document.addEventListener("visibilitychange", wake);
  say("connecting");
  begin();
  return { close };
}
