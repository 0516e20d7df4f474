// Webhooks on their way, with the button that begins one anew.

import { create, setAttribute, setText } from "../studio/dom.ts";
import { jobAddress } from "../studio/address.ts";
import { ago } from "../studio/times.ts";
import { several, span } from "./amounts.ts";
import { ask } from "./ask.ts";
import { replay } from "./server.ts";
import { doing, tell } from "./told.ts";
import type { Delivery, JobWebhook } from "./types.ts";

const STATES: Readonly<Record<JobWebhook["status"], string>> = { pending: "On its way", delivered: "Delivered", given_up: "Given up" };

/** How a delivery went so far, in a line. */
export function deliveryWords({ attempts, last_status: status, last_error: error, next_at: next }: JobWebhook, now: number): string {
  const last = error ?? (status === null ? "" : `answered ${status}`);
  const again = next === null ? "" : next <= now ? "due now" : `next in ${span(next - now)}`;
  return [attempts === 0 ? "not sent yet" : `sent ${several(attempts, "time")}`, last, again].filter(Boolean).join(" · ");
}

/** A row; `line` says what became of a replay. */
export function deliveryRow<T extends JobWebhook>(first: T, line: HTMLElement, onReplay: () => void): { element: HTMLElement; update(delivery: T): void } {
  const state = create("span", { class: "state" });
  const words = create("p", { class: "delivery-words" });
  const button = create("button", { type: "button", class: "button small" }, "Replay");
  const element = create(
    "li", { "data-delivery": String(first.id) },
    create("p", { class: "delivery-head" }, state, create("span", { class: "delivery-url" }, first.url)), words, button,
  );
  button.addEventListener("click", () => void again());

  async function again(): Promise<void> {
    const isWanted = await ask({
      title: "Replay this webhook?", words: `${first.url} is told again how the job ended, under the same webhook id and with all its tries.`, yes: "Replay",
    });
    if (!isWanted) return;
    await doing(button, line, async () => {
      await replay(first.id);
      tell(line, "The webhook begins anew.");
      onReplay();
    });
  }

  return {
    element,
    update(delivery) {
      element.dataset.status = delivery.status;
      state.dataset.status = delivery.status;
      setText(state, STATES[delivery.status] ?? delivery.status);
      const job = (delivery as Partial<Delivery>).job_id;
      const said = deliveryWords(delivery, Date.now());
      if (job === undefined) setText(words, said);
      else words.replaceChildren(create("a", { href: jobAddress(job) }, job), ` · ${ago((delivery as Partial<Delivery>).created_at ?? 0, Date.now())} · ${said}`);
      setAttribute(button, "hidden", delivery.status === "pending");
    },
  };
}
