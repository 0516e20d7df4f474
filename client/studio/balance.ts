// The credits in the header: what there is to spend, and each change of it before one's eyes.

import { find, setAttribute, setText } from "./dom.ts";
import { creditsOf } from "./money.ts";
import { server } from "./server.ts";

/** How long an amount takes to run to its new value. */
const RUN_MS = 900;
/** An amount in motion is shown to the hundredth. */
const STEP = 10_000;

const lessMotion = matchMedia("(prefers-reduced-motion: reduce)");

/** The balance of the account. */
export interface Balance {
  /** In micro-credits, as far as it is known. */
  readonly available: number | null;
  /** Asks the server, and shows what has changed; `change` says what it was, as in `0.30 taken`. */
  refresh(change?: string): Promise<void>;
  /** Calls whenever the balance is known anew. */
  onChange(listener: () => void): void;
}

/** The balance in the header. */
export function balance(element: HTMLElement): Balance {
  const amount = find(".amount", element);
  const delta = find(".delta", element);
  const listeners: (() => void)[] = [];
  let available: number | null = null;
  let shown = 0;
  let frame: number | undefined;

  function show(micro: number): void {
    shown = micro;
    setText(amount, creditsOf(micro));
  }

  function run(to: number): void {
    cancelAnimationFrame(frame ?? 0);
    const from = shown;
    const start = performance.now();
    const step = (now: number): void => {
      const share = Math.min(1, (now - start) / RUN_MS);
      if (share === 1) return show(to);
      const eased = 1 - (1 - share) ** 3;
      show(Math.round((from + (to - from) * eased) / STEP) * STEP);
      frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
  }

  function announceChange(change: string, rises: boolean): void {
    setText(delta, change);
    delta.dataset.way = rises ? "up" : "down";
    // An animation begins anew only for a class that was gone for a moment.
    delta.classList.remove("moving");
    delta.getBoundingClientRect();
    delta.classList.add("moving");
  }

  return {
    get available() {
      return available;
    },
    async refresh(change = "") {
      const credits = await server.credits().catch(() => null);
      // The server may be away; what was known stays, and the next change asks again.
      if (credits === null) return;
      const before = available;
      ({ available } = credits);
      const held = credits.held > 0 ? `, ${credits.held_credits} held` : "";
      setAttribute(element, "title", `${credits.available_credits} credits to spend${held}`);
      if (before === null || lessMotion.matches) show(available);
      else if (before !== available) run(available);
      if (change !== "") announceChange(change, before !== null && available > before);
      for (const listener of listeners) listener();
    },
    onChange(listener) {
      listeners.push(listener);
    },
  };
}
