// The webhooks of all jobs, newest first; asked for when they are opened.

import { find, showText } from "../studio/dom.ts";
import { sectionAddress } from "./address.ts";
import { deliveryRow } from "./deliveries.ts";
import { problemWords } from "./problems.ts";
import { deliveries } from "./server.ts";
import type { Delivery } from "./types.ts";

/** The section with the webhooks. */
export interface Webhooks {
  show(query: URLSearchParams): void;
}

/** Brings the section to life. */
export function webhooksSection(section: HTMLElement): Webhooks {
  const form = find("form", section, HTMLFormElement);
  const select = find("select", form, HTMLSelectElement);
  const list = find(".deliveries", section);
  const more = find(".jobs-more button", section);
  const told = find(".told", section);
  const error = find(".error", section);
  let next: number | null = null;

  const row = (delivery: Delivery): HTMLElement => {
    const { element, update } = deliveryRow(delivery, told, () => void load(null));
    update(delivery);
    return element;
  };

  async function load(before: number | null): Promise<void> {
    try {
      const page = await deliveries(select.value, before);
      if (before === null) list.replaceChildren();
      list.append(...page.deliveries.map(row));
      ({ next } = page);
      showText(error, "");
      const none = select.value === "" ? "No webhook was sent yet. A submit names its address by webhook_url." : "No webhook is like that.";
      showText(find(".jobs-none", section), list.childElementCount === 0 ? none : "");
    } catch (problem) {
      showText(error, problemWords(problem));
    }
    list.hidden = list.childElementCount === 0;
    more.hidden = next === null;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void load(null);
  });
  select.addEventListener("change", () => {
    history.replaceState(null, "", sectionAddress("webhooks", { status: select.value }));
    void load(null);
  });
  more.addEventListener("click", () => void load(next));

  return {
    show(query) {
      document.title = "Webhooks · Operator · Tailwater";
      select.value = query.get("status") ?? "";
      void load(null);
    },
  };
}
