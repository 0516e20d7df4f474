// A watch as its caller has it: events in order, each once, whatever brings them.

import { TailwaterError, aborted } from "../errors.ts";
import { isTerminal, type EventId, type JobEvent, type TerminalEvent } from "../events.ts";
import { Cursor } from "./cursor.ts";
import type { Source, Subscriber } from "./source.ts";
import type { Arrival, RawEvent } from "./target.ts";
import type { ProjectEvent, Watch, WatchState } from "./types.ts";

/** As many events as wait for a loop that is slow; the log is read again where more would. */
const MOST_WAITING = 4_096;

/** What a watch is made of. */
export interface WatcherOptions {
  readonly topic: string;
  readonly after: EventId;
  readonly first: WatchState;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: RawEvent) => void) | undefined;
  readonly onState?: ((state: WatchState) => void) | undefined;
  /** Begins to bring events to a reader. */
  readonly open: (subscriber: Subscriber) => Source;
  /** Called with the cursor whenever it moved. */
  readonly onCursor?: ((after: EventId) => void) | undefined;
  /** How the job ended, where the watch began behind its end. */
  readonly end: () => Promise<RawEvent>;
}

/** The reader behind every watch: of a job, or of a project. */
export class Watcher implements Subscriber {
  readonly topic: string;
  readonly #options: WatcherOptions;
  readonly #cursor: Cursor;
  readonly #listeners = new Set<(state: WatchState) => void>();
  readonly #waiting: RawEvent[] = [];
  readonly #ended = deferred<RawEvent>();
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

  constructor(options: WatcherOptions) {
    this.topic = options.topic;
    this.#options = options;
    this.#cursor = new Cursor(options.after);
    this.#handedOut = options.after;
    this.#state = options.first;
    this.#isRead = options.onEvent === undefined;
    // Whoever does not ask for the end is not to be told of its failure by the runtime.
    this.#ended.promise.catch(() => undefined);
    if (options.onState !== undefined) this.#listeners.add(options.onState);
    if (options.signal?.aborted) {
      this.close();
      return;
    }
    options.signal?.addEventListener("abort", this.#abort);
    this.#source = options.open(this);
  }

  get cursor(): EventId {
    return this.#handedOut;
  }

  get current(): WatchState {
    return this.#state;
  }

  get done(): Promise<RawEvent> {
    return this.#ended.promise;
  }

  subscribe(listener: (state: WatchState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#waiting.length = 0;
    this.#finish(null, aborted(this.#options.signal));
  }

  // ── What the source says ──

  after(): EventId {
    return this.#cursor.at;
  }

  receive({ event }: Arrival): void {
    if (this.#isOver || this.#lags) return;
    if (this.#isRead && this.#waiting.length >= MOST_WAITING) return this.#lag();
    if (!this.#cursor.take(event)) return;
    const isLast = event.id !== null && isTerminal(event.type) && event.job === undefined;
    if (isLast) this.#ended.resolve(event);
    if (this.#isRead) {
      this.#waiting.push(event);
      this.#wake();
    } else {
      this.#handOut(event);
    }
    this.#call(this.#options.onEvent, event);
    if (isLast) this.#finish(null, null);
  }

  state(state: WatchState): void {
    if (this.#isOver || state.phase === "ended") return;
    this.#show(state);
  }

  /** The source has nothing more: against its will with an error, else since the job was over before. */
  end(error: TailwaterError | null): void {
    if (this.#isOver || this.#lags) return;
    if (error !== null) return this.#finish(error, error);
    this.#options.end().then((event) => this.#ended.resolve(event), (cause: unknown) => this.#ended.reject(cause));
    this.#finish(null, null);
  }

  // ── The loop ──

  async *iterate(): AsyncGenerator<RawEvent, void, undefined> {
    this.#isRead = true;
    try {
      for (;;) {
        const event = this.#waiting.shift();
        if (event !== undefined) {
          this.#handOut(event);
          yield event;
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

  #lag(): void {
    this.#lags = true;
    this.#source?.close();
    this.#source = null;
  }

  /** Goes on behind the last event that was handed out: lag is reading the log again. */
  #catchUp(): void {
    this.#lags = false;
    this.#cursor.rewind(this.#handedOut);
    if (!this.#isOver) this.#source = this.#options.open(this);
  }

  #handOut({ id }: RawEvent): void {
    if (id === null) return;
    this.#handedOut = id;
    this.#call(this.#options.onCursor, id);
  }

  // ── The end ──

  #abort = (): void => this.close();

  #finish(failure: TailwaterError | null, reason: TailwaterError | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#lags = false;
    this.#failure = failure;
    this.#source?.close();
    this.#source = null;
    this.#options.signal?.removeEventListener("abort", this.#abort);
    if (reason !== null) this.#ended.reject(reason);
    this.#show({ ...this.#state, phase: "ended", reason: failure?.detail ?? null, retryAt: null, carrier: null });
    this.#listeners.clear();
    this.#wake();
  }

  #show(state: WatchState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) this.#call(listener, state);
  }

  /** What a caller's own code throws is not the watch's failure, and is not hidden either. */
  #call<Value>(callback: ((value: Value) => void) | undefined, value: Value): void {
    try {
      callback?.(value);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** A promise that is settled from outside. */
interface Deferred<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
  readonly reject: (reason: unknown) => void;
}

function deferred<Value>(): Deferred<Value> {
  let resolve: Deferred<Value>["resolve"] = () => undefined;
  let reject: Deferred<Value>["reject"] = () => undefined;
  const promise = new Promise<Value>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** A watcher of a job under the names that callers know. */
export class JobWatch<Custom> implements Watch<Custom> {
  readonly jobId: string;
  readonly #watcher: Watcher;

  constructor(jobId: string, watcher: Watcher) {
    this.jobId = jobId;
    this.#watcher = watcher;
  }

  get cursor(): EventId {
    return this.#watcher.cursor;
  }

  get state(): WatchState {
    return this.#watcher.current;
  }

  get done(): Promise<TerminalEvent> {
    // The protocol's word for what these events are (PROTOCOL.md § 2).
    return this.#watcher.done as Promise<TerminalEvent>;
  }

  subscribe(listener: (state: WatchState) => void): () => void {
    return this.#watcher.subscribe(listener);
  }

  close(): void {
    this.#watcher.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<JobEvent<Custom>> {
    return this.#watcher.iterate() as AsyncGenerator<JobEvent<Custom>, void, undefined>;
  }
}

/** All jobs of a project, being watched. */
export class ProjectWatch implements AsyncIterable<ProjectEvent> {
  readonly projectId: string;
  readonly #watcher: Watcher;

  constructor(projectId: string, watcher: Watcher) {
    this.projectId = projectId;
    this.#watcher = watcher;
  }

  get state(): WatchState {
    return this.#watcher.current;
  }

  subscribe(listener: (state: WatchState) => void): () => void {
    return this.#watcher.subscribe(listener);
  }

  close(): void {
    this.#watcher.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<ProjectEvent> {
    return this.#watcher.iterate() as AsyncGenerator<ProjectEvent, void, undefined>;
  }
}
