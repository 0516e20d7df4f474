// Recent jobs: this browser's own, remembered locally, and the server's newest.

import * as api from "./api.js";
import { create, find } from "./dom.js";
import { TERMINAL } from "./state.js";

const KEY = "tailwater.jobs";
const KEPT = 30;
const SHOWN = 12;
const REFRESH_MS = 4_000;

/** How jobs other than texts and narrations are marked. */
const MARKS = { video: "Video", image: "Image", lipsync: "Lip-sync" };

const WORDS = {
  pending: "waiting", running: "being made", completed: "done", failed: "failed", canceled: "canceled",
};

/** The list in `section`. */
export function recentJobs(section) {
  const list = find("ul", section);
  let timer = null;
  let shown = false;

  async function refresh() {
    const mine = read();
    draw(mine);
    const theirs = await api.jobs(20).catch(() => []);
    if (!shown) return;
    const merged = merge(mine, theirs);
    draw(merged);
    write(merged.filter(({ id }) => mine.some((own) => own.id === id)));
    if (merged.some(({ status }) => !TERMINAL.has(status))) timer = setTimeout(refresh, REFRESH_MS);
  }

  function draw(jobs) {
    list.replaceChildren(...jobs.slice(0, SHOWN).map(entry));
    section.hidden = jobs.length === 0;
  }

  return {
    show() {
      shown = true;
      clearTimeout(timer);
      void refresh();
    },
    hide() {
      shown = false;
      clearTimeout(timer);
    },
    /** Remembers a job of this browser. */
    add(id, { kind, input }) {
      const title = titleOf(input, kind);
      write([{ id, kind, title, status: "pending", created: Date.now() }, ...without(read(), id)]);
    },
    /** Keeps the status of a job that is being watched. */
    note(id, { status, kind, input, createdAt }) {
      const known = read().find((job) => job.id === id);
      const title = input === null ? known?.title : titleOf(input, kind);
      if (title === undefined || (known?.status === status && known.title === title)) return;
      const created = known?.created ?? createdAt ?? Date.now();
      write([{ id, kind: kind ?? known?.kind, title, status, created }, ...without(read(), id)]);
    },
  };
}

function entry({ id, kind, title, status, created }) {
  const when = create("time", { datetime: new Date(created).toISOString() }, ago(created));
  const facts = create("span", { class: "facts" }, `${WORDS[status] ?? status} · `, when);
  const name = create("span", { class: "name" }, title);
  const mark = MARKS[kind] ? [create("span", { class: "mark" }, MARKS[kind])] : [];
  const link = { "href": `#job=${id}`, "data-status": status, "data-kind": kind };
  return create("li", {}, create("a", link, name, ...mark, facts));
}

function merge(mine, theirs) {
  const seen = new Map(mine.map((job) => [job.id, job]));
  for (const { id, kind, status, input, created_at } of theirs) {
    const known = seen.get(id);
    const title = input ? titleOf(input, kind) : (known?.title ?? kind);
    seen.set(id, { id, kind, title, status, created: created_at ?? known?.created ?? Date.now() });
  }
  return sorted([...seen.values()]);
}

/** What a job is about, in a line. Models have their own names for a prompt, and some take none. */
export function titleOf(input, kind = null) {
  const said = [input?.topic, input?.prompt, input?.promptText, input?.text];
  const text = said.find((words) => typeof words === "string" && words.trim() !== "")
    ?? (MARKS[kind] ? `${MARKS[kind]} without a prompt` : "Untitled");
  return String(text).replace(/\s+/g, " ").slice(0, 140);
}

function ago(then) {
  const minutes = Math.round((Date.now() - then) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.round(minutes / 60)} h ago`;
  return new Date(then).toLocaleDateString();
}

const without = (jobs, id) => jobs.filter((job) => job.id !== id);
const sorted = (jobs) => jobs.sort((left, right) => right.created - left.created);

function read() {
  try {
    const jobs = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(jobs) ? sorted(jobs.filter(({ id, created }) => id && Number.isFinite(created))) : [];
  } catch {
    return [];
  }
}

function write(jobs) {
  try {
    localStorage.setItem(KEY, JSON.stringify(sorted(jobs).slice(0, KEPT)));
  } catch {
    // Private windows may refuse; the server's list is still there.
  }
}
