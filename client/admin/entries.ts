// What happened to a job, entry by entry; each opens to all that is known of it.

import { arrange, create, find, setAttribute, setText } from "../studio/dom.ts";
import { timeOfDay } from "../studio/times.ts";
import { capital } from "../studio/titles.ts";
import { several, span } from "./amounts.ts";
import { keyed } from "./overview.ts";
import { laneOf, LANES } from "./story.ts";
import type { LaneId } from "./story.ts";
import type { Entry } from "./types.ts";

/** How many are shown until all are asked for. */
const SHOWN = 200;

/** The view of the entries. */
export interface Entries {
  draw(entries: readonly Entry[], from: number): void;
  /** Only those of a lane. */
  choose(lane: LaneId | null): void;
  /** Opens one and brings it into sight. */
  open(key: string): void;
  clear(): void;
}

/** Brings the list in `card` to life. */
export function entriesView(card: HTMLElement): Entries {
  const list = find("#entries", card);
  const more = find("#entries-more", card);
  const order = find("#entries-order", card);
  let isNewestFirst = true;
  let isWhole = false;
  let lane: LaneId | null = null;
  let known: readonly Entry[] = [];
  let begin = 0;
  const rows = keyed<Entry>((entry) => entryRow(entry, () => begin));

  function draw(): void {
    const fitting = known.filter((entry) => lane === null || laneOf(entry) === lane);
    const sorted = isNewestFirst ? [...fitting].reverse() : fitting;
    const shown = isWhole ? sorted : sorted.slice(0, SHOWN);
    arrange(list, rows(shown, ({ key }) => key));
    more.hidden = shown.length === sorted.length;
    setText(more, `Show all ${sorted.length}`);
    const what = lane === null ? "" : `, only ${LANES.find(({ id }) => id === lane)?.title.toLowerCase() ?? lane}`;
    setText(find("#entries-count", card), `${several(fitting.length, "entry", "entries")}${what}`);
    find("#entries-none", card).hidden = shown.length > 0;
  }

  more.addEventListener("click", () => {
    isWhole = true;
    draw();
  });
  order.addEventListener("click", () => {
    isNewestFirst = !isNewestFirst;
    setText(order, isNewestFirst ? "Oldest first" : "Newest first");
    draw();
  });

  return {
    draw(entries, from) {
      known = entries;
      begin = from;
      draw();
    },
    choose(next) {
      lane = next;
      draw();
    },
    open(key) {
      isWhole ||= known.length > SHOWN;
      draw();
      const row = [...list.children].find((element) => element instanceof HTMLElement && element.dataset.key === key);
      const details = row?.querySelector("details");
      if (details) details.open = true;
      row?.scrollIntoView({ block: "center", behavior: "smooth" });
    },
    clear() {
      known = [];
      isWhole = false;
      draw();
    },
  };
}

function entryRow(first: Entry, begin: () => number): { element: HTMLElement; update(entry: Entry): void } {
  const time = create("span", { class: "entry-time" });
  const offset = create("span", { class: "entry-after" });
  const title = create("span", { class: "entry-title" });
  const times = create("span", { class: "mark" });
  const detail = create("span", { class: "entry-detail" });
  const summary = create("summary", {}, create("span", { class: "entry-when" }, time, offset), create("span", { class: "entry-words" }, title, " ", times, detail));
  const whole = create("dl", { class: "facts" });
  const data = create("pre");
  const details = create("details", {}, summary, create("div", { class: "entry-whole" }, whole, data));
  const element = create("li", { "data-key": first.key, "data-kind": first.kind, "data-lane": laneOf(first) }, details);
  let entry = first;

  function drawWhole(): void {
    if (!details.open) return;
    const text = entry.data === null || entry.data === undefined ? "" : JSON.stringify(entry.data, null, 2);
    data.hidden = text === "";
    setText(data, text);
    whole.replaceChildren(...wholeOf(entry).map(([name, value]) => create("div", {}, create("dt", {}, name), create("dd", {}, value))));
  }

  details.addEventListener("toggle", drawWhole);
  return {
    element,
    update(next) {
      entry = next;
      element.dataset.level = entry.level;
      setText(time, timeOfDay(entry.at).slice(0, -4));
      setText(offset, entry.at <= begin() ? "" : `+${span(entry.at - begin())}`);
      // Events go by their names, as on the wire.
      setText(title, entry.kind === "event" || entry.kind === "end" ? entry.title : capital(entry.title));
      times.hidden = entry.times <= 1;
      setText(times, `× ${entry.times.toLocaleString("en")}`);
      setAttribute(detail, "hidden", entry.detail === null);
      setText(detail, entry.detail ?? "");
      drawWhole();
    },
  };
}

/** Everything about an entry that has a name. */
function wholeOf({ at, until_at: until, kind, times, id, level }: Entry): [string, string][] {
  return [
    ["At", `${new Date(at).toLocaleDateString()} ${timeOfDay(at)}`],
    ...(until === null ? [] : [["Until", `${timeOfDay(until)}, ${span(until - at)}`] as [string, string]]),
    ["Kind", level === "info" ? kind : `${kind}, ${level === "warn" ? "warning" : "error"}`],
    ...(times > 1 ? [["Times", times.toLocaleString("en")] as [string, string]] : []),
    ...(id === null ? [] : [["Event", String(id)] as [string, string]]),
  ];
}
