// How long to wait between polls: pure, but for a draw that is handed in.

import type { PollingOptions } from "./types.ts";

/** What a poll may do, every option given. */
export interface Limits {
  readonly maxDuration: number;
  readonly initialInterval: number;
  readonly maxInterval: number;
  readonly backoffMultiplier: number;
  readonly maxConsecutiveErrors: number;
}

/** The longest delay that timers take; a longer one fires at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The steps between the first wait and the longest one. */
const STEPS_MS = [2_000, 5_000];

/** A number from 1 on, else the default: NaN or less would make a timer fire at once, for ever. */
const orElse = (given = NaN, otherwise: number): number => Math.max(1, given) || otherwise;

/** The options with their defaults. */
export function limitsOf(options: PollingOptions): Limits {
  const maxInterval = Math.min(orElse(options.maxInterval, 10_000), LONGEST_TIMER_MS);
  return {
    maxDuration: orElse(options.maxDuration, 7 * 60_000),
    initialInterval: Math.min(orElse(options.initialInterval, 1_000), maxInterval),
    maxInterval,
    backoffMultiplier: orElse(options.backoffMultiplier, 2),
    maxConsecutiveErrors: orElse(options.maxConsecutiveErrors, 5),
  };
}

/** Up to a fifth more, by a draw from 0 to 1: what many clients were told alike must not bring them back together. */
export const spread = (ms: number, draw: number): number => Math.round(ms * (1 + 0.2 * draw));

/** The waits of one poll. */
export class Schedule {
  readonly #limits: Limits;
  /** The wait that was last taken, or is to be the first, while all was well. */
  #interval: number;
  #begun = false;
  /** By what the trouble since then multiplies it. */
  #strain = 1;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#interval = limits.initialInterval;
  }

  /** All is well: 1, 2, 5, 10 seconds. */
  calm(): number {
    const { maxInterval } = this.#limits;
    if (this.#begun) {
      const step = STEPS_MS.find((ms) => ms > this.#interval) ?? maxInterval;
      this.#interval = Math.min(step, maxInterval);
    }
    this.#begun = true;
    this.#strain = 1;
    return this.#interval;
  }

  /** An error, of however many in a row. */
  trouble(): number {
    return this.#strained(this.#limits.backoffMultiplier);
  }

  /** The server has had too many requests and does not say when to come again. */
  limited(): number {
    return this.#strained(2);
  }

  #strained(factor: number): number {
    const { maxInterval } = this.#limits;
    // The strain stops where the wait does: an endless outage must not reach Infinity.
    this.#strain = Math.min(this.#strain * factor, maxInterval / this.#interval);
    return this.#interval * this.#strain;
  }
}
