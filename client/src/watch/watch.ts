// A watch as its caller has it: events in order, each once, whatever brings them.

import { TailwaterError, aborted } from "../errors.ts";
import { isTerminal, type EventId, type TerminalEvent } from "../events.ts";
import { Cursor } from "./cursor.ts";
import type { Open, Source, Subscriber } from "./source.ts";
import type { Arrival, RawEvent } from "./target.ts";
import type { WatchState } from "./types.ts";

/** As many events as wait for a loop that is slow; the log is read again where more would. */
const MOST_WAITING = 4_096;

/** What a watch is made of. */
export interface WatcherOptions<Event> {
  readonly topic: string;
  readonly after: EventId;
  readonly first: WatchState;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: Event) => void) | undefined;
  readonly onState?: ((state: WatchState) => void) | undefined;
  /** Begins to bring events to a reader. */
  readonly open: Open;
  /** Called with the cursor whenever it moved. */
  readonly onCursor?: ((after: EventId) => void) | undefined;
  /** How the job ended, where the watch began behind its end. */
  readonly end: () => Promise<RawEvent>;
}

/** The reader behind every watch: of a job, or of a project. */
export class Watcher<Event = RawEvent> implements AsyncIterable<Event> {
  /** The terminal event; rejects when the watch ends without one. */
  readonly done: Promise<TerminalEvent>;
  readonly #options: WatcherOptions<Event>;
  readonly #cursor: Cursor;
  readonly #listeners = new Set<(state: WatchState) => void>();
  readonly #waiting: RawEvent[] = [];
  readonly #subscriber: Subscriber;
  #resolve: (event: unknown) => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;
  #handedOut: EventId;
  #state: WatchState;
  #source: Source | null = null;
  #isOver = false;
  #failure: TailwaterError | null = null;
  /** A loop reads, so events wait for it. */
  #isRead: boolean;
  /** More came than may wait: the rest is read again from the log. */
  #lags = false;
  #wake: () => void = () => undefined;

  constructor(options: WatcherOptions<Event>) {
    const { topic, after, first, onEvent, onState, signal, open } = options;
    this.#options = options;
    this.#cursor = new Cursor(after);
    this.#handedOut = after;
    this.#state = first;
    this.#isRead = onEvent === undefined;
    this.done = new Promise<TerminalEvent>((resolve, reject) => {
      // The protocol's word for what the last event is (PROTOCOL.md § 2).
      this.#resolve = resolve as (event: unknown) => void;
      this.#reject = reject;
    });
    // Whoever does not ask for the end is not to be told of its failure by the runtime.
    this.done.catch(() => undefined);
    this.#subscriber = {
      topic,
      after: () => this.#cursor.at,
      receive: (arrival) => this.#receive(arrival),
      state: (state) => {
        if (!this.#isOver && state.phase !== "ended") this.#show(state);
      },
      end: (error) => this.#end(error),
    };
    if (onState !== undefined) this.#listeners.add(onState);
    signal?.addEventListener("abort", this.#abort);
    if (signal?.aborted) this.close();
    else this.#source = open(this.#subscriber);
  }

  /** The id of the last event that was handed out. */
  get cursor(): EventId {
    return this.#handedOut;
  }

  get state(): WatchState {
    return this.#state;
  }

  /** Calls with every new state until the returned function is called. */
  subscribe(listener: (state: WatchState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#waiting.length = 0;
    this.#finish(null, aborted(this.#options.signal));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    this.#isRead = true;
    try {
      for (;;) {
        const event = this.#waiting.shift();
        if (event !== undefined) {
          this.#handOut(event);
          // Which types of events there are is the caller's word; the wire does not tell.
          yield event as Event;
        } else if (this.#lags) {
          this.#catchUp();
        } else if (this.#isOver) {
          if (this.#failure !== null) throw this.#failure;
          return;
        } else {
          await new Promise<void>((resolve) => { this.#wake = resolve; });
        }
      }
    } finally {
      this.close();
    }
  }

  // ── What the source says ──

  #receive({ event }: Arrival): void {
    if (this.#isOver || this.#lags) return;
    if (this.#isRead && this.#waiting.length >= MOST_WAITING) return this.#lag();
    if (!this.#cursor.take(event)) return;
    const isLast = event.id !== null && isTerminal(event.type) && event.job === undefined;
    if (isLast) this.#resolve(event);
    if (this.#isRead) {
      this.#waiting.push(event);
      this.#wake();
    } else {
      this.#handOut(event);
    }
    // As above.
    call(this.#options.onEvent, event as Event);
    if (isLast) this.#finish(null);
  }

  /** The source has nothing more: against its will with an error, else since the job was over before. */
  #end(error: TailwaterError | null): void {
    if (this.#isOver || this.#lags) return;
    if (error === null) this.#resolve(this.#options.end());
    this.#finish(error);
  }

  // ── A loop that is slow ──

  #lag(): void {
    this.#lags = true;
    this.#letGo();
  }

  /** Goes on behind the last event that was handed out: lag is reading the log again. */
  #catchUp(): void {
    this.#lags = false;
    this.#cursor.rewind(this.#handedOut);
    if (!this.#isOver) this.#source = this.#options.open(this.#subscriber);
  }

  #handOut({ id }: RawEvent): void {
    if (id === null) return;
    this.#handedOut = id;
    call(this.#options.onCursor, id);
  }

  // ── The end ──

  #abort = (): void => this.close();

  #letGo(): void {
    this.#source?.close();
    this.#source = null;
  }

  #finish(failure: TailwaterError | null, reason: TailwaterError | null = failure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#lags = false;
    this.#failure = failure;
    this.#letGo();
    this.#options.signal?.removeEventListener("abort", this.#abort);
    // Where the end is known, this comes too late to be heard.
    this.#reject(reason);
    this.#show({ ...this.#state, phase: "ended", reason: failure?.detail ?? null, retryAt: null, carrier: null });
    this.#listeners.clear();
    this.#wake();
  }

  #show(state: WatchState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) call(listener, state);
  }
}

/** What a caller's own code throws is not the watch's failure, and is not hidden either. */
function call<Value>(callback: ((value: Value) => void) | undefined, value: Value): void {
  try {
    callback?.(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
