// What is going on right now.

import { arrange, create, find, setAttribute, setText } from "../studio/dom.ts";
import { creditsOf } from "../studio/money.ts";
import { providerName } from "../studio/names.ts";
import { announce } from "../studio/announce.ts";
import { jobsAddress, sectionAddress } from "./address.ts";
import { count, known, short, span } from "./amounts.ts";
import { concernsOf, isSilent, silentLink } from "./health.ts";
import type { Concern } from "./health.ts";
import { tileView } from "./tile.ts";
import { TILES } from "./tiles.ts";
import { lastMinute, providerWords, withTotals } from "./rates.ts";
import type { Rates } from "./rates.ts";
import type { Figures, Lane, ProviderHealth } from "./types.ts";

/** The section with the live figures. */
export interface Overview {
  /** Takes figures, also while another section is shown, so that nothing is missing later. */
  take(figures: Figures): void;
  show(): void;
}

/** Brings the section to life. */
export function overviewSection(section: HTMLElement): Overview {
  const tiles = TILES.map(tileView);
  const concerns = keyed<Concern>(concernRow);
  const lanes = keyed<Lane>(laneRow);
  const rates = new Map<string, Rates>();
  const providers = keyed<ProviderHealth>((provider) => providerRow(provider, () => rates.get(provider.name)));
  let newest: Figures | null = null;
  let told = new Set<string>();

  find("#tiles", section).append(...tiles.map(({ element }) => element));

  function draw(): void {
    if (newest === null || section.hidden) return;
    for (const tile of tiles) tile.draw();
    const found = concernsOf(newest);
    arrange(find("#concerns", section), concerns(found, ({ key }) => key));
    find("#calm", section).hidden = found.length > 0;
    drawTable(find("#queue", section), lanes(lanesOf(newest), ({ provider }) => provider));
    setText(find("#queue + .empty", section), newest.database ? "Nothing waits and nothing runs." : "Nothing runs here; what waits is not known, since the database does not answer.");
    const rows = providers(newest.providers, ({ name }) => name);
    arrange(find("#providers", section), rows);
    find("#providers + .empty", section).hidden = rows.length > 0;
    drawStates(newest);
    drawFacts(newest);
  }

  function drawStates({ jobs }: Figures): void {
    const states: readonly (readonly [string, string, number | null])[] = [
      ["pending", "waiting", jobs.pending], ["running", "running", jobs.running], ["completed", "done since start", jobs.completed_total],
      ["failed", "failed since start", jobs.failed_total], ["canceled", "canceled since start", jobs.canceled_total],
    ];
    const list = find("#states", section);
    if (list.childElementCount === 0) {
      // What this process has counted is no list of jobs: it leads nowhere.
      const isListed = (status: string): boolean => status === "pending" || status === "running";
      list.append(...states.map(([status, words]) => create("li", {}, create(
        "a", { "href": isListed(status) ? jobsAddress({ status }) : null, "data-status": status }, create("b"), " ", create("span", {}, words),
      ))));
    }
    states.forEach(([status, , number]) => setText(find(`[data-status=${status}] b`, list), known(number, short)));
  }

  function drawFacts({ credits, webhooks, rates }: Figures): void {
    facts(find("#purse", section), [
      ["Available", known(credits?.available, creditsOf)], ["Held by jobs", known(credits?.held, creditsOf)],
      ["Taken", known(credits?.captured, creditsOf)], ["Granted", known(credits?.granted, creditsOf)],
    ]);
    facts(find("#hooks", section), [
      ["On their way", known(webhooks.pending, count)], ["Delivered since start", count(webhooks.delivered_total)],
      ["Given up since start", create(
        "span", {}, `${count(webhooks.given_up_total)} · `, create("a", { href: sectionAddress("webhooks", { status: "given_up" }) }, "all that were"),
      )],
      ["Readers that came back", `${count(rates.reconnects)} a second`],
    ]);
  }

  return {
    take(figures) {
      newest = figures;
      for (const tile of tiles) tile.take(figures);
      for (const provider of figures.providers) rates.set(provider.name, withTotals(rates.get(provider.name), figures.at, provider));
      const found = concernsOf(figures);
      const fresh = found.filter(({ key }) => !told.has(key));
      if (fresh.length > 0) announce(fresh.map(({ words }) => words).join(". "));
      told = new Set(found.map(({ key }) => key));
      draw();
    },
    show() {
      document.title = "Operator · Tailwater";
      draw();
    },
  };
}

/** Something that is shown, and changed where it stands. */
interface Part<T> {
  readonly element: HTMLElement;
  update(thing: T): void;
}

/** Keeps one element for each thing, so that nothing is drawn anew under a finger. */
export function keyed<T>(make: (thing: T) => Part<T>): (things: readonly T[], keyOf: (thing: T) => string) => HTMLElement[] {
  const parts = new Map<string, Part<T>>();
  return (things, keyOf) => {
    const wanted = new Set(things.map(keyOf));
    for (const key of [...parts.keys()]) if (!wanted.has(key)) parts.delete(key);
    return things.map((thing) => {
      const part = parts.get(keyOf(thing)) ?? make(thing);
      parts.set(keyOf(thing), part);
      part.update(thing);
      return part.element;
    });
  };
}

/** A list of names and values; values are only written where they changed. */
export function facts(list: HTMLElement, rows: readonly (readonly [string, string | Node])[]): void {
  const drawn = rows.map(([name, value]) => `${name}\n${typeof value === "string" ? value : value.textContent}`).join("\n");
  if (list.dataset.drawn === drawn) return;
  list.dataset.drawn = drawn;
  list.replaceChildren(...rows.map(([name, value]) => create("div", {}, create("dt", {}, name), create("dd", {}, value))));
}

function drawTable(table: HTMLElement, rows: readonly HTMLElement[]): void {
  arrange(find("tbody", table, HTMLTableSectionElement), rows);
  table.hidden = rows.length === 0;
  const empty = table.nextElementSibling;
  if (empty instanceof HTMLElement) empty.hidden = rows.length > 0;
}

function concernRow({ link }: Concern): Part<Concern> {
  const words = create("strong");
  const advice = create("span");
  const element = create("li", {}, create("p", {}, words, " ", advice), ...(link ? [create("a", { class: "button small", href: link.href }, link.words)] : []));
  return {
    element,
    update(concern) {
      element.dataset.level = concern.level;
      setText(words, concern.words);
      setText(advice, concern.advice);
    },
  };
}

/** The lanes; what is counted in a database that does not answer is not known of them. */
const lanesOf = ({ database, queue }: Figures): readonly Lane[] => (
  database ? queue : queue.map((lane) => ({ ...lane, waiting: null, oldest_ms: null }))
);

function laneRow({ provider }: Lane): Part<Lane> {
  const cells = ["Waiting", "The first for", "Running", "Longest silence"].map((label) => create("td", { "data-label": label }));
  const link = create("a");
  const element = create("tr", { "data-provider": provider }, create("th", { scope: "row" }, providerName(provider)), ...cells);
  return {
    element,
    update(lane) {
      const [waiting, first, running, silence] = cells;
      if (!waiting || !first || !running || !silence) return;
      setText(waiting, known(lane.waiting, short));
      setText(first, lane.waiting === 0 ? "–" : known(lane.oldest_ms, span));
      setText(running, short(lane.running));
      const silent = isSilent(lane);
      setAttribute(element, "data-silent", silent);
      setText(link, lane.silence_ms_max === null ? "–" : span(lane.silence_ms_max));
      // A way to the jobs is only there where there is something to be found.
      link.setAttribute("href", silentLink(lane).href);
      if (silent && link.parentElement === null) silence.replaceChildren(link);
      if (!silent) setText(silence, link.textContent ?? "");
    },
  };
}

const STATUS: Readonly<Record<ProviderHealth["status"], string>> = { ok: "well", paused: "paused", failing: "failing" };

function providerRow({ name }: ProviderHealth, ratesOf: () => Rates | undefined): Part<ProviderHealth> {
  const mark = create("span", { class: "simulated" }, "Simulated");
  const state = create("span", { class: "provider-state" });
  const rates = create("p", { class: "provider-rates" });
  const note = create("p", { class: "provider-note" });
  const element = create(
    "li", { "data-provider": name },
    create("p", { class: "provider-head" }, create("b", {}, providerName(name)), mark, state), rates, note,
  );
  return {
    element,
    update(provider) {
      element.dataset.status = provider.status;
      mark.hidden = !provider.simulated;
      setText(state, STATUS[provider.status] ?? provider.status);
      setText(rates, providerWords(provider, lastMinute(ratesOf())));
      const words = [provider.note, provider.resumes_in_ms ? `tried again in ${span(provider.resumes_in_ms)}` : null].filter((part) => part !== null).join(" · ");
      note.hidden = words === "";
      setText(note, words);
    },
  };
}
