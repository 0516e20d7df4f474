// The time line: what happened to a job, in lanes, from its submit to its end or to now.

import { create, find, setAttribute, setText } from "../studio/dom.ts";
import { span } from "./amounts.ts";
import { scaleOf, ticksOf } from "./scale.ts";
import type { Scale } from "./scale.ts";
import { countsOf, LANES, marksOf } from "./story.ts";
import type { LaneId, Mark } from "./story.ts";
import type { Entry, StoryJob } from "./types.ts";

/** The view of a time line. */
export interface TimeLine {
  draw(job: StoryJob, entries: readonly Entry[], now: number): void;
  /** No lane is chosen any more. */
  clear(): void;
}

/** What somebody does at the time line. */
export interface TimeLineOptions {
  /** Only this lane is wanted in the list, or all of them. */
  readonly onLane: (lane: LaneId | null) => void;
  /** The entry of a mark is wanted. */
  readonly onEntry: (key: string) => void;
}

/** How wide a label of the axis may be, and one of a stretch that is drawn shorter. */
const LABEL_PX = 74;
const GAP_PX = 108;
/** Marks that would lie on one another are one; places are in thousandths of the line. */
const NEAR = 4;

/** Brings the time line in `section` to life. */
export function timeLine(section: HTMLElement, { onLane, onEntry }: TimeLineOptions): TimeLine {
  const lanes = find(".lanes", section);
  const axis = find(".line-axis", section);
  let chosen: LaneId | null = null;
  const rows = LANES.map(({ id, title }) => {
    const number = create("span", { class: "lane-count" });
    const button = create("button", { type: "button", class: "lane-name", title: `Only ${title.toLowerCase()} in the list` }, title, number);
    const track = create("div", { "class": "lane-track", "aria-hidden": "true" });
    const element = create("div", { "class": "lane", "data-lane": id }, button, track);
    button.addEventListener("click", () => choose(chosen === id ? null : id));
    return { id, element, button, number, track };
  });
  lanes.append(...rows.map(({ element }) => element));
  lanes.addEventListener("click", ({ target }) => {
    const key = target instanceof HTMLElement ? target.dataset.key : undefined;
    if (key !== undefined) onEntry(key);
  });

  function choose(lane: LaneId | null): void {
    chosen = lane;
    for (const { id, button } of rows) setAttribute(button, "aria-pressed", String(id === chosen));
    onLane(chosen);
  }

  return {
    draw(job, entries, now) {
      const marks = marksOf(job, entries, now);
      const last = Math.max(job.ended_at ?? now, ...marks.map(({ from, to }) => to ?? from));
      const first = Math.min(job.created_at, ...marks.map(({ from }) => from));
      const scale = scaleOf(marks.flatMap(({ from, to }) => (to === null ? [from] : [from, to])), first, last);
      const counts = countsOf(entries);
      for (const { id, element, number, track } of rows) {
        const own = mergedMarks(marks.filter(({ lane }) => lane === id), scale);
        track.replaceChildren(...breaksOf(scale), ...own.map(markElement));
        setText(number, counts.get(id) === undefined ? "" : String(counts.get(id)));
        setAttribute(element, "data-empty", own.length === 0);
      }
      drawAxis(axis, scale, job.ended_at === null);
      setText(find("#line-words", section), lineWords(job, scale));
    },
    clear() {
      choose(null);
    },
  };
}

/** A mark with its place on the line, in thousandths; `more` is how many others lie under it. */
export interface Placed extends Mark {
  readonly left: number;
  readonly width: number;
  readonly more: number;
}

const RANK: Readonly<Record<Entry["level"], number>> = { info: 0, warn: 1, error: 2 };

/** Gives marks their places; moments that are too near to be told apart become one, the worst of them. */
export function mergedMarks(marks: readonly Mark[], scale: Scale): Placed[] {
  const placed: Placed[] = [];
  let before: Placed | null = null;
  for (const mark of marks) {
    const left = Math.round(scale.at(mark.from) * 1000);
    const width = mark.to === null ? 0 : Math.round(scale.at(mark.to) * 1000) - left;
    if (before !== null && mark.to === null && left - before.left < NEAR) {
      const worse: Mark = RANK[mark.level] > RANK[before.level] || mark.kind === "end" ? mark : before;
      before = { ...worse, left: before.left, width: 0, more: before.more + 1 };
      placed[placed.length - 1] = before;
      continue;
    }
    const next = { ...mark, left, width, more: 0 };
    placed.push(next);
    before = mark.to === null ? next : null;
  }
  return placed;
}

function markElement({ left, width, to, kind, level, title, key, more, from }: Placed): HTMLElement {
  const long = to === null ? "" : `, ${span(to - from)}`;
  const element = create("i", {
    "class": to === null ? "moment" : "stretch", "data-kind": kind, "data-level": level, "data-key": key,
    "title": `${title}${long}${more > 0 ? ` and ${more} more` : ""}`,
  });
  element.style.left = `${left / 10}%`;
  if (to !== null) element.style.width = `${width / 10}%`;
  return element;
}

function breaksOf({ breaks }: Scale): HTMLElement[] {
  return breaks.map(({ left, right }) => {
    const element = create("i", { class: "break" });
    element.style.left = `${left * 100}%`;
    element.style.width = `${(right - left) * 100}%`;
    return element;
  });
}

function drawAxis(axis: HTMLElement, scale: Scale, isGoing: boolean): void {
  const width = Math.max(1, axis.clientWidth);
  const ticks = ticksOf(scale, LABEL_PX / width).map(({ left, after }) => label(left, after === 0 ? "0" : `+${span(after)}`, "tick"));
  const last = scale.breaks.at(-1);
  // A shortened stretch that reaches the end has its label in common with it.
  const atEnd = last !== undefined && last.right > 1 - LABEL_PX / width ? last : null;
  const gaps = scale.breaks.filter((stretch) => stretch !== atEnd)
    .map(({ left, right, from, to }) => label((left + right) / 2, `⋯ ${span(to - from)} ⋯`, "gap"));
  const ending = isGoing ? "now" : `+${span(scale.to - scale.from)}`;
  const end = label(1, atEnd === null ? ending : `⋯ ${span(atEnd.to - atEnd.from)} ⋯ ${ending}`, "end");
  const words = new Set<string | null>();
  const different = ticks.filter(({ textContent: said }) => !words.has(said) && words.add(said));
  // A label of a shortened stretch says more than the step that it lies upon.
  const free = different.filter((tick) => gaps.every((gap) => Math.abs(place(gap) - place(tick)) * width > (GAP_PX + LABEL_PX) * 50));
  axis.replaceChildren(...(atEnd === null ? free : free.filter((tick) => (100 - place(tick)) * width > (GAP_PX + LABEL_PX) * 100)), ...gaps, end);
}

const place = (element: HTMLElement): number => Number.parseFloat(element.style.left);

function label(left: number, words: string, kind: string): HTMLElement {
  const element = create("span", { class: kind }, words);
  element.style.left = `${left * 100}%`;
  return element;
}

/** The time line for those who cannot see it. */
function lineWords({ created_at: from, started_at: start, ended_at: end, attempt }: StoryJob, scale: Scale): string {
  // What came before a later attempt was not all waiting.
  const waited = start === null ? "" : attempt > 1 ? `attempt ${attempt} began after ${span(start - from)}` : `waited ${span(start - from)}`;
  const worked = start === null ? "" : end === null ? `runs for ${span(scale.to - start)}` : `ran ${span(end - start)}`;
  const shortened = scale.breaks.length > 0 ? "stretches in which nothing happened are drawn shorter" : "";
  return [waited, worked, shortened].filter(Boolean).join(" · ");
}
