// Recent jobs: this browser's own, remembered locally, and the server's newest.

import { isTerminal } from "../src/index.ts";
import type { JobState, Kind, Status } from "../src/index.ts";
import type { JobSummary, SubmitBody } from "../src/types.ts";
import { jobAddress } from "./address.ts";
import { create, find } from "./dom.ts";
import { PROJECT, server } from "./server.ts";
import { ago } from "./times.ts";
import { KINDS, titleOf } from "./titles.ts";

const KEY = "tailwater.jobs";
const KEPT = 30;
const SHOWN = 8;
const REFRESH_MS = 4_000;

/** Kinds that are not marked: what they are is what the page is mostly for. */
const UNMARKED: ReadonlySet<Kind> = new Set<Kind>(["blog"]);

/** A status in the words of a list. */
export const STATUS_WORDS: Readonly<Record<Status, string>> = {
  pending: "waiting", running: "being made", completed: "done", failed: "failed", canceled: "canceled",
};

/** A job as this browser remembers it. */
interface Remembered {
  readonly id: string;
  readonly kind: Kind;
  readonly title: string;
  readonly status: Status;
  readonly created: number;
}

/** The list of recent jobs. */
export interface RecentJobs {
  show(): void;
  hide(): void;
  /** Remembers a job of this browser. */
  add(id: string, body: SubmitBody): void;
  /** Keeps the status of a job that is being watched. */
  note(id: string, state: JobState): void;
}

/** The list in `section`. */
export function recentJobs(section: HTMLElement): RecentJobs {
  const list = find("ul", section);
  let timer: number | undefined;
  let shown = false;

  async function refresh(): Promise<void> {
    const mine = read();
    draw(mine);
    const { jobs: theirs } = await server.list({ limit: 20, project_id: PROJECT }).catch(() => ({ jobs: [] }));
    if (!shown) return;
    const merged = merge(mine, theirs);
    draw(merged);
    write(merged.filter(({ id }) => mine.some((own) => own.id === id)));
    if (merged.some(({ status }) => !isTerminal(status))) timer = window.setTimeout(() => void refresh(), REFRESH_MS);
  }

  function draw(jobs: readonly Remembered[]): void {
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
      section.hidden = true;
      clearTimeout(timer);
    },
    add(id, { kind, input }) {
      const title = titleOf({ ...input }, kind);
      write([{ id, kind, title, status: "pending", created: Date.now() }, ...without(read(), id)]);
    },
    note(id, { status, kind, input, createdAt }) {
      const known = read().find((job) => job.id === id);
      const title = input === null ? known?.title : titleOf(input, kind);
      const what = kind ?? known?.kind;
      if (title === undefined || what === undefined || (known?.status === status && known.title === title)) return;
      const created = known?.created ?? createdAt ?? Date.now();
      write([{ id, kind: what, title, status, created }, ...without(read(), id)]);
    },
  };
}

function entry({ id, kind, title, status, created }: Remembered): HTMLElement {
  const when = create("time", { datetime: new Date(created).toISOString() }, ago(created, Date.now()));
  const facts = create("span", { class: "facts" }, `${STATUS_WORDS[status]} · `, when);
  const name = create("span", { class: "name" }, title);
  const mark = UNMARKED.has(kind) ? [] : [create("span", { class: "mark" }, KINDS[kind])];
  const link = { "href": jobAddress(id), "data-status": status, "data-kind": kind };
  return create("li", {}, create("a", link, name, ...mark, facts));
}

function merge(mine: readonly Remembered[], theirs: readonly JobSummary[]): Remembered[] {
  const seen = new Map(mine.map((job) => [job.id, job]));
  for (const { id, kind, status, input, created_at: created } of theirs) {
    seen.set(id, { id, kind, title: titleOf(input, kind), status, created });
  }
  return sorted([...seen.values()]);
}

const without = (jobs: readonly Remembered[], id: string): Remembered[] => jobs.filter((job) => job.id !== id);
const sorted = (jobs: readonly Remembered[]): Remembered[] => (
  [...jobs].sort((left, right) => right.created - left.created)
);

function read(): Remembered[] {
  try {
    const jobs: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(jobs) ? sorted(jobs.filter(isRemembered)) : [];
  } catch {
    return [];
  }
}

/** What is in the browser's storage may be of another version of this page. */
function isRemembered(job: unknown): job is Remembered {
  return typeof job === "object" && job !== null && "id" in job && "kind" in job && "title" in job
    && "status" in job && "created" in job
    && typeof job.id === "string" && typeof job.title === "string" && typeof job.created === "number"
    && String(job.kind) in KINDS && String(job.status) in STATUS_WORDS;
}

function write(jobs: readonly Remembered[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(sorted(jobs).slice(0, KEPT)));
  } catch {
    // Private windows may refuse; the server's list is still there.
  }
}
