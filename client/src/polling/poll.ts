// One poll: asks, judges, waits, asks again, and tells all who wait for it what came of it.

import { clampRetryAfter } from "../retry-after.ts";

import { Rest, type Pause } from "./rest.ts";
import { LONGEST_TIMER_MS, Schedule, spread, type Limits } from "./schedule.ts";
import { Cut, judge, type Trouble } from "./trouble.ts";
import type {
  PollContext, PollFunction, PollingHandle, PollingMethod, PollingOptions, PollingResult, PollingStatus, PollOutcome,
} from "./types.ts";
import type { PollingWorld } from "./world.ts";

/** When the last wait would outlast the poll, it asks once more so long before its time is over. */
const LAST_LOOK_MS = 1_000;

/** A request that is older than this when the page wakes up is likely to have died with the network. */
const STALE_REQUEST_MS = 5_000;

/** What a poll is made of. */
export interface PollParts<T> {
  readonly pollId: string;
  readonly ask: PollFunction<T>;
  readonly limits: Limits;
  readonly world: PollingWorld;
  /** What is left to go on with, once a job's id is known or not. */
  readonly handle: (jobId: string | null) => PollingHandle<T>;
  readonly onEnd: () => void;
}

/** Somebody who waits for the poll. */
interface Caller<T> {
  readonly options: PollingOptions;
  settle(result: PollingResult<T>): void;
}

/** The request that is under way. */
interface Request {
  readonly since: number;
  readonly controller: AbortController;
}

/** A poll that goes on until it ends, once. */
export class Poll<T> {
  readonly #parts: PollParts<T>;
  readonly #schedule: Schedule;
  readonly #rest: Rest;
  readonly #since: number;
  readonly #callers = new Set<Caller<T>>();
  /** What is to be undone at the end: timers and listeners. */
  readonly #undo: (() => void)[] = [];
  #request: Request | null = null;
  #attempts = 0;
  #errors = 0;
  #lastError: string | null = null;
  #jobId: string | null = null;
  #ended = false;

  constructor(parts: PollParts<T>) {
    const { world, limits } = parts;
    this.#parts = parts;
    this.#schedule = new Schedule(limits);
    this.#rest = new Rest(world);
    this.#since = world.now();
    this.#undo.push(world.onAttention(() => this.#wake(), () => undefined));
    if (limits.maxDuration <= LONGEST_TIMER_MS) {
      this.#undo.push(world.after(limits.maxDuration, () => this.#timeOut()));
    }
  }

  get status(): PollingStatus {
    const { pollId } = this.#parts;
    return { pollId, attempts: this.#attempts, elapsed: this.#elapsed(), lastError: this.#lastError };
  }

  /** Waits with all the others; the caller's signal lets go of this caller alone. */
  join(options: PollingOptions): Promise<PollingResult<T>> {
    return new Promise((resolve) => {
      const { signal } = options;
      const leave = (): void => {
        caller.settle(this.#result("aborted", "Polling aborted"));
        if (this.#callers.size === 0) this.#over();
      };
      const caller: Caller<T> = {
        options,
        settle: (result) => {
          signal?.removeEventListener("abort", leave);
          this.#callers.delete(caller);
          resolve(result);
        },
      };
      this.#callers.add(caller);
      signal?.addEventListener("abort", leave);
      if (signal?.aborted === true) leave();
    });
  }

  /** Asks until there is an end. */
  async run(): Promise<void> {
    while (!this.#ended) {
      const pause = await this.#ask();
      if (this.#ended) return;
      this.#tell(pause.ms);
      await this.#rest.over(pause);
      // Timers stand still while a machine sleeps, the clock does not.
      if (this.#elapsed() >= this.#parts.limits.maxDuration) this.#timeOut();
    }
  }

  /** Ends the poll, for a reason or with success; every caller is told. */
  end(method: PollingMethod, error?: string, data?: T): Pause {
    if (!this.#ended) {
      this.#over();
      const result = this.#result(method, error, data);
      for (const caller of [...this.#callers]) caller.settle(result);
    }
    return NO_PAUSE;
  }

  /** Asks once, and says how long to wait then. */
  async #ask(): Promise<Pause> {
    const { world } = this.#parts;
    const since = world.now();
    try {
      const outcome = await this.#answer(since);
      return this.#ended ? NO_PAUSE : this.#heard(outcome, world.now() - since);
    } catch (error) {
      if (this.#ended || (error instanceof Cut && error.why === "woken")) return NO_PAUSE;
      return this.#failed(error);
    } finally {
      this.#request = null;
    }
  }

  /** The poll function's answer, or the error that cut it off: it may not heed its signal. */
  async #answer(since: number): Promise<PollOutcome<T>> {
    const { ask, world, limits } = this.#parts;
    const controller = new AbortController();
    const { signal } = controller;
    this.#request = { since, controller };
    this.#attempts += 1;
    let cancel = (): void => undefined;
    const context: PollContext = {
      signal,
      attempt: this.#attempts,
      remainingMs: limits.maxDuration - (since - this.#since),
      cutAfter(ms) {
        cancel();
        // Nobody would take back the timer of a poll function that goes on for nobody.
        if (!signal.aborted) cancel = world.after(ms, () => controller.abort(new Cut("stalled")));
      },
    };
    const cut = new Promise<never>((_, reject) => {
      const fall = (): void => {
        cancel();
        reject(signal.reason);
      };
      signal.addEventListener("abort", fall, { once: true });
    });
    try {
      return await Promise.race([cut, (async () => ask(context))()]);
    } finally {
      cancel();
    }
  }

  #heard(outcome: PollOutcome<T>, tookMs: number): Pause {
    this.#jobId = outcome.jobId ?? this.#jobId;
    const { completed, data, error, shouldContinue } = outcome;
    if (completed) return this.end("polling", undefined, data);
    if (shouldContinue === false) return this.end("polling", error ?? "Polling ended without success", data);
    this.#errors = 0;
    this.#lastError = error ?? null;
    return this.#calm(hintOf(outcome), outcome.held === true ? tookMs : 0);
  }

  /** The wait while all is well; a server that held the request has let us wait already. */
  #calm(hint: number | null, waitedMs: number): Pause {
    const left = Math.max(this.#schedule.calm(), hint ?? 0) - waitedMs;
    const ms = hint === null ? left : spread(left, this.#parts.world.random());
    return this.#pause(Math.max(ms, 0), Math.max((hint ?? 0) - waitedMs, 0));
  }

  #failed(error: unknown): Pause {
    const { world, limits } = this.#parts;
    const trouble = judge(error, world.now());
    this.#lastError = trouble.message;
    if (trouble.kind === "missing") {
      return this.#heard({ completed: false, error: trouble.message, pollAfterMs: trouble.retryAfterMs }, 0);
    }
    if (trouble.kind === "refused") return this.end("error", trouble.message);
    if (this.#counts(error, trouble)) this.#errors += 1;
    if (this.#errors >= limits.maxConsecutiveErrors) {
      return this.end("error", `Too many consecutive errors: ${trouble.message}`);
    }
    return this.#backOff(trouble);
  }

  /**
   * Whether an error is one of those in a row that a poll bears. A rate limit is not, since it is
   * obeyed; nor is a network that is known to be away, or a request that hung: time bounds these.
   */
  #counts(error: unknown, trouble: Trouble): boolean {
    if (trouble.kind === "limited" || error instanceof Cut) return false;
    return trouble.answered || this.#parts.world.isOnline();
  }

  #backOff({ kind, retryAfterMs }: Trouble): Pause {
    const { world, limits } = this.#parts;
    const backoff = kind === "limited" ? this.#schedule.limited() : this.#schedule.trouble();
    if (retryAfterMs === null) return this.#pause(spread(backoff, world.random()), 0);
    const least = kind === "limited" ? limits.initialInterval : backoff;
    return this.#pause(spread(Math.max(least, retryAfterMs), world.random()), retryAfterMs);
  }

  /** The wait, cut short where the poll's time would end in it unasked. */
  #pause(ms: number, floor: number): Pause {
    const last = this.#parts.limits.maxDuration - this.#elapsed() - LAST_LOOK_MS;
    return { ms: last > LAST_LOOK_MS && ms > last && floor <= last ? last : ms, floor };
  }

  #tell(nextInterval: number): void {
    const elapsed = this.#elapsed();
    for (const { options } of [...this.#callers]) {
      try {
        options.onProgress?.(this.#attempts, elapsed, nextInterval);
      } catch (error) {
        // What a page does with the news must not end the poll for the others who wait.
        console.error(error);
      }
    }
  }

  #wake(): void {
    const request = this.#request;
    if (request === null) this.#rest.wake();
    else if (this.#parts.world.now() - request.since > STALE_REQUEST_MS) request.controller.abort(new Cut("woken"));
  }

  #timeOut(): void {
    const seconds = Math.round(this.#elapsed() / 1000);
    this.end("timeout", `Polling timeout after ${seconds} seconds (${this.#attempts} attempts)`);
  }

  #elapsed(): number {
    return this.#parts.world.now() - this.#since;
  }

  #result(method: PollingMethod, error?: string, data?: T): PollingResult<T> {
    return {
      success: error === undefined,
      ...(data === undefined ? {} : { data }),
      ...(error === undefined ? {} : { error }),
      attempts: this.#attempts,
      duration: this.#elapsed(),
      method,
      // After any other end the job may still go on.
      ...(method === "polling" ? {} : { handle: this.#parts.handle(this.#jobId) }),
    };
  }

  /** Leaves nothing behind: no timer, no listener, no request. */
  #over(): void {
    this.#ended = true;
    for (const undo of this.#undo) undo();
    this.#rest.end();
    this.#request?.controller.abort(new Cut("over"));
    this.#parts.onEnd();
  }
}

/** When the server wants to be asked again; a poll function made by hand may say anything. */
function hintOf({ pollAfterMs: hint }: PollOutcome<unknown>): number | null {
  return typeof hint === "number" && hint >= 0 ? clampRetryAfter(hint) : null;
}

/** Ask again at once, or not at all. */
const NO_PAUSE: Pause = { ms: 0, floor: 0 };
