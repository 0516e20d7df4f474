// The list of models: grouped by what they make of what, searchable, with price and health.

import type { Model, ModelHealth } from "../src/types.ts";
import { create, find, setText } from "./dom.ts";
import { priceWords } from "./estimate.ts";
import { modeName, providerName } from "./names.ts";

/** A list to choose a model from. */
export interface Picker {
  /** Offers these, with one of them chosen. */
  offer(models: readonly Model[], chosen: Model): void;
}

/** Brings the list in `section` to life. */
export function modelPicker(section: HTMLElement, choose: (model: Model) => void): Picker {
  const toggle = find(".picker-toggle", section);
  const search = find("input[type=search]", section, HTMLInputElement);
  const groups = find(".picker-groups", section);
  const none = find(".picker-none", section);
  let models: readonly Model[] = [];

  function open(isOpen: boolean): void {
    toggle.setAttribute("aria-expanded", String(isOpen));
    section.toggleAttribute("data-open", isOpen);
  }

  function filter(): void {
    const wanted = search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
    let found = 0;
    for (const group of groups.querySelectorAll<HTMLElement>("fieldset")) {
      const rows = [...group.querySelectorAll<HTMLElement>("label")];
      for (const row of rows) row.hidden = !wanted.every((word) => (row.dataset.words ?? "").includes(word));
      const shown = rows.filter(({ hidden }) => !hidden).length;
      group.hidden = shown === 0;
      found += shown;
    }
    none.hidden = found > 0;
  }

  toggle.addEventListener("click", () => {
    const isOpen = toggle.getAttribute("aria-expanded") !== "true";
    open(isOpen);
    if (isOpen) search.focus();
  });
  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  groups.addEventListener("change", (event) => {
    const slug = event.target instanceof HTMLInputElement ? event.target.value : "";
    const model = models.find((one) => one.slug === slug);
    if (model === undefined) return;
    setText(find(".picker-chosen", section), model.title);
    choose(model);
  });
  // The arrow keys try one model after the other; only a click says that the choice is made.
  groups.addEventListener("click", (event) => {
    if (event instanceof MouseEvent && event.detail > 0) open(false);
  });

  return {
    offer(offered, chosen) {
      models = offered;
      search.value = "";
      groups.replaceChildren(...grouped(offered, chosen));
      setText(find(".picker-chosen", section), chosen.title);
      open(false);
      filter();
      bringIntoView(groups);
    },
  };
}

function grouped(models: readonly Model[], chosen: Model): HTMLElement[] {
  const modes = [...new Set(models.map(({ mode }) => mode))];
  return modes.map((mode) => create(
    "fieldset", {},
    create("legend", {}, modeName(mode)),
    ...models.filter((model) => model.mode === mode).map((model) => row(model, model === chosen)),
  ));
}

function row(model: Model, isChosen: boolean): HTMLElement {
  const { slug, title, provider, mode, modes, cost, health, retired } = model;
  const radio = create("input", { type: "radio", name: "model", value: slug, checked: isChosen });
  const words = [slug, title, provider, providerName(provider), ...modes].join(" ").toLowerCase();
  return create(
    "label", { "class": "model", "data-words": words, "data-health": health.status, "title": healthWords(health) },
    radio,
    create("span", { class: "model-name" }, shortTitle(title, mode)),
    create("span", { class: "model-price" }, priceWords(cost)),
    create("span", { class: "model-provider" }, providerName(provider), ...(retired === undefined ? [] : [", retiring"])),
    create("span", { class: "visually-hidden" }, healthWords(health)),
  );
}

/** A title says the mode that the group says already. */
function shortTitle(title: string, mode: string): string {
  const [name = title, said = ""] = title.split(/, (.*)/s);
  const same = said.replaceAll(" ", "-").replace("first-and-last", "first-last") === mode;
  return same ? name : title;
}

/** How a provider is, in a sentence. */
export function healthWords({ status, resumes_in_ms: wait, reason }: ModelHealth): string {
  const because = reason === null ? "" : ` (${reason.replaceAll("_", " ")})`;
  const then = wait === null ? "" : `, for ${Math.ceil(wait / 1000)} s more`;
  switch (status) {
    case "ok": return "The provider is well.";
    case "limited": return `The provider asked us to wait${then}.`;
    case "failing": return `The provider fails now and then${because}.`;
    case "paused": return `The provider fails${because}; nothing is started there${then}.`;
  }
}

/** Only within the list: the page itself stays where it is. */
function bringIntoView(groups: HTMLElement): void {
  const chosen = groups.querySelector("input:checked")?.closest("label");
  if (chosen === null || chosen === undefined) return;
  groups.scrollTop = chosen.offsetTop - groups.clientHeight / 2;
}
