// The head of a job: what it is, how far it is, how it ended, and what can be done about it.

import { isOver, overallPercent } from "../src/index.ts";
import type { JobState, Status } from "../src/index.ts";
import type { Model } from "../src/types.ts";
import { announce } from "./announce.ts";
import { SECTIONS, sectionAddress } from "./address.ts";
import { find, setText, showText } from "./dom.ts";
import { clock } from "./times.ts";
import { titleOf } from "./titles.ts";
import { attemptNote, options, outcome, stage } from "./words.ts";

/** What the page knows of a job besides its state. */
export interface Known {
  /** The row of the catalog that makes it. */
  readonly model: Model | null;
  /** Whether the server has told what was asked for. */
  readonly described: boolean;
  /** Whether a cancel is on its way. */
  readonly stopping: boolean;
  readonly endedAt: number | null;
  /** Whether it comes from a simulator; of what a model makes, the result itself says so. */
  readonly simulated: boolean;
}

/** A job's status in one word, as a badge. */
const STATUS: Readonly<Record<Status, string>> = {
  pending: "Starting", running: "In progress", completed: "Succeeded", failed: "Failed", canceled: "Canceled",
};

/** Draws everything above the result. */
export function drawHead(section: HTMLElement, state: JobState, known: Known): void {
  const { words, detail, announcement } = stage(state);
  const percent = overallPercent(state);
  const bar = find("#bar");
  section.dataset.status = state.status;
  setText(find("#job-title"), titleOf(state.input ?? { topic: "…" }, state.kind));
  setText(find("#job-options"), options(state, known.model));
  find("#job-simulated").hidden = !known.simulated;
  setText(find("#status"), STATUS[state.status]);
  setText(find("#stage"), words);
  setText(find("#stage-detail"), detail);
  setText(find("#percent"), `${percent} %`);
  drawElapsed(state, known.endedAt, Date.now());
  bar.style.setProperty("--filled", `${percent}%`);
  bar.setAttribute("aria-valuenow", String(percent));
  bar.setAttribute("aria-valuetext", `${words}, ${percent} %`);
  announce(announcement);
  const title = titleOf(state.input ?? { topic: "Job" }, state.kind).slice(0, 60);
  document.title = `${isOver(state) ? "" : `${percent} % · `}${title} · Tailwater`;
  drawActions(state, known, percent);
  showText(find("#note"), attemptNote(state));
  showText(find("#outcome"), outcome(state));
}

/** How long it has been going on, or took. */
export function drawElapsed({ createdAt, end }: JobState, endedAt: number | null, now: number): void {
  const said = end?.data.at;
  const until = end === null ? now : typeof said === "number" ? said : endedAt;
  setText(find("#elapsed"), createdAt === null || until === null ? "" : clock((until - createdAt) / 1000));
}

function drawActions(state: JobState, { described, stopping }: Known, percent: number): void {
  const over = isOver(state);
  const working = find("#working");
  working.hidden = over || state.kind !== "lipsync";
  setText(working, state.status === "pending" ? "Waiting…" : `Generating… ${percent} %`);
  const cancel = find("#cancel", document, HTMLButtonElement);
  cancel.hidden = over;
  cancel.disabled = stopping;
  setText(cancel, stopping ? "Stopping…" : "Cancel");
  const again = find("#again");
  again.hidden = !over || !described || state.kind === "external";
  again.classList.toggle("primary", state.status !== "completed");
  setText(again, state.status === "completed" ? "Make another" : "Try again");
  const vary = find("#vary", document, HTMLAnchorElement);
  const address = over && described ? variation(state) : null;
  vary.hidden = address === null;
  if (address !== null) vary.href = address;
}

/** The form that made the job, filled in as it was; what is too long for an address is left out. */
function variation({ kind, input, model }: JobState): string | null {
  const name = kind === "voiceover" ? "narration" : kind === "lipsync" ? "lip-sync" : kind;
  const section = SECTIONS.find((known) => known === name);
  if (section === undefined || input === null) return null;
  const said = Object.entries(input)
    .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
    .map(([key, value]) => [key, String(value)])
    .filter(([, value]) => (value ?? "").length <= LONGEST);
  return sectionAddress(section, { ...Object.fromEntries(said), ...(model !== null && { model }) });
}

/** Addresses longer than some thousand characters are cut by some programs that carry them. */
const LONGEST = 1_500;
