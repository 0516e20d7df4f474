// The time between two polls: ended by a timer, by the page's waking up, or by the poll's end.

import type { PollingWorld } from "./world.ts";

/** How often a page that nobody looks at asks, at the most. */
export const HIDDEN_INTERVAL_MS = 60_000;

/** How long to wait. */
export interface Pause {
  readonly ms: number;
  /** What the server asked for: not even a page that wakes up comes sooner. */
  readonly floor: number;
}

/** One poll's waiting; at most one pause at a time. */
export class Rest {
  readonly #world: PollingWorld;
  #rouse: ((woken: boolean) => void) | null = null;
  #ended = false;

  constructor(world: PollingWorld) {
    this.#world = world;
  }

  /** Waits until the next poll is due, or until the poll has ended. */
  async over(pause: Pause): Promise<void> {
    const world = this.#world;
    const since = world.now();
    let { ms } = pause;
    while (!this.#ended) {
      const left = since + (world.isHidden() ? Math.max(ms, HIDDEN_INTERVAL_MS) : ms) - world.now();
      if (left <= 0) return;
      if (await this.#sleep(left)) ms = pause.floor;
    }
  }

  /** The page woke up: the pause is over as soon as the server allows. */
  wake(): void {
    this.#rouse?.(true);
  }

  /** Nobody waits any more. */
  end(): void {
    this.#ended = true;
    this.#rouse?.(false);
  }

  /** Sleeps, and tells whether it was woken. */
  #sleep(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#world.after(ms, () => this.#rouse?.(false));
      this.#rouse = (woken) => {
        this.#rouse = null;
        cancel();
        resolve(woken);
      };
    });
  }
}
