// A job that is watched for as long as a component shows it.

import type { Tailwater } from "../client.ts";
import { failure, type TailwaterError } from "../errors.ts";
import { isOver } from "../questions.ts";
import { initialState, reduce, type FoldableEvent, type JobState } from "../state.ts";
import { FIRST_STATE } from "../watch/link.ts";
import type { WatchOptions, WatchState } from "../watch/types.ts";
import { nextFrame } from "./frame.ts";
import { clientOf } from "./provider.ts";
import { Store } from "./store.ts";

/** A job as components see it. */
export interface JobView {
  /** The fold over the job's events; `initialState()` before the first. */
  readonly job: JobState;
  /** How the events come; null while nothing is watched, since there is no job or it was over before. */
  readonly connection: WatchState | null;
  /** Why the watch ended before the job did; the job itself goes on. */
  readonly error: TailwaterError | null;
}

/** How a job is watched. */
export interface JobStoreOptions extends Pick<WatchOptions, "transport" | "streamUrl" | "share" | "retry" | "types"> {
  /** What is known of the job already, as from a server that rendered the page; watching goes on from there. */
  readonly initial?: JobState;
}

/** Watches while it has listeners, and tells them once for each frame however many events come. */
export class JobStore {
  /** What a server renders, and what a page begins with. */
  readonly first: JobView;
  readonly #client: Tailwater | null;
  readonly #jobId: string | null;
  readonly #options: Omit<JobStoreOptions, "initial">;
  readonly #shown: Store<JobView>;
  /** Ahead of what is shown until the next frame. */
  #known: JobView;
  #watching: AbortController | null = null;
  #forgetFrame: (() => void) | null = null;

  constructor(client: Tailwater | null, jobId: string | null, { initial = initialState(), ...options }: JobStoreOptions) {
    const isWatched = jobId !== null && !isOver(initial);
    this.first = { job: initial, connection: isWatched ? FIRST_STATE : null, error: null };
    this.#client = client;
    this.#jobId = jobId;
    this.#options = options;
    this.#known = this.first;
    this.#shown = new Store(this.first);
  }

  readonly view = (): JobView => this.#shown.get();

  readonly subscribe = (listener: () => void): (() => void) => {
    const unsubscribe = this.#shown.subscribe(listener);
    this.#watch();
    return () => {
      unsubscribe();
      // React's strict mode leaves and comes back at once, which is no reason for a second connection.
      queueMicrotask(() => {
        if (!this.#shown.isSubscribed) this.#close();
      });
    };
  };

  /** Watches again where the watch gave up or was refused. */
  readonly reconnect = (): void => {
    this.#close();
    if (this.#shown.isSubscribed) this.#watch();
  };

  #watch(): void {
    const jobId = this.#jobId;
    const { job } = this.#known;
    if (this.#watching !== null || jobId === null || isOver(job)) return;
    const { signal } = (this.#watching = new AbortController());
    const heed = <Value>(meaning: (value: Value) => Partial<JobView>) => (value: Value): void => {
      if (!signal.aborted) this.#change(meaning(value));
    };
    const onEvent = heed((event: FoldableEvent) => ({ job: reduce(this.#known.job, event) }));
    const onState = heed((connection: WatchState) => ({ connection }));
    const watch = clientOf(this.#client).watch(jobId, { ...this.#options, after: job.lastId, signal, onEvent, onState });
    watch.done.catch(heed((error: unknown) => ({ error: failure(error) })));
    this.#change({ connection: watch.state, error: null });
  }

  #close(): void {
    this.#watching?.abort();
    this.#watching = null;
    this.#draw();
  }

  #change(changes: Partial<JobView>): void {
    const before = this.#known;
    const after = { ...before, ...changes };
    if (after.job === before.job && after.connection === before.connection && after.error === before.error) return;
    this.#known = after;
    this.#forgetFrame ??= nextFrame(() => this.#draw());
  }

  #draw(): void {
    this.#forgetFrame?.();
    this.#forgetFrame = null;
    if (this.#shown.get() !== this.#known) this.#shown.set(this.#known);
  }
}
