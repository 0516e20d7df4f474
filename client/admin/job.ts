// One job's whole story.

import type { WatchState } from "../src/index.ts";
import { announce } from "../studio/announce.ts";
import { arrange, find, setAttribute, setText, showText } from "../studio/dom.ts";
import { copyInto } from "../studio/inspector.ts";
import { creditsOf } from "../studio/money.ts";
import { timeOfDay } from "../studio/times.ts";
import { jobActions } from "./actions.ts";
import { storyAddress } from "./address.ts";
import { span } from "./amounts.ts";
import { deliveryRow } from "./deliveries.ts";
import { entriesView } from "./entries.ts";
import { openFeed } from "./feed.ts";
import type { Feed } from "./feed.ts";
import { attemptWords, factsOf, isSuspicious, silenceOf, STATES } from "./job-words.ts";
import { facts, keyed } from "./overview.ts";
import { readersView } from "./readers.ts";
import { inOrder, withEntry } from "./story.ts";
import type { Story } from "./story.ts";
import { timeLine } from "./time-line.ts";
import type { Entry, JobWebhook, Reading, StoryJob } from "./types.ts";

/** Readers are told every five seconds, changed or not; so long without, and the stream is dead. */
const SILENCE_MS = 12_000;

/** The section of one job. */
export interface JobSection {
  open(id: string): void;
  close(): void;
  /** The clock went on. */
  tick(): void;
}

/** What the section needs of the page. */
export interface JobOptions {
  readonly onState: (state: WatchState | null) => void;
  /** The stream was refused: whether to try again; says so itself where not. */
  readonly mayRetry: (id: string) => Promise<boolean>;
}

/** Brings the section to life. */
export function jobSection(section: HTMLElement, { onState, mayRetry }: JobOptions): JobSection {
  const actions = jobActions(section);
  const entries = entriesView(find(".entries-card", section));
  const line = timeLine(find(".line-card", section), { onLane: (lane) => entries.choose(lane), onEntry: (key) => openEntry(key) });
  const drawReaders = readersView(section);
  const told = find("#job-told", section);
  const webhooks = keyed<JobWebhook>((webhook) => deliveryRow(webhook, told, () => undefined));
  let feed: Feed | null = null;
  let id = "";
  let job: StoryJob | null = null;
  let toldAt = 0;
  let story: Story = new Map();
  let reading: Reading | null = null;
  let frame: number | null = null;

  const request = (): void => {
    frame ??= requestAnimationFrame(draw);
  };

  function openEntry(key: string): void {
    line.clear();
    entries.open(key);
  }

  function draw(): void {
    frame = null;
    if (job === null || feed === null) return;
    setAttribute(section, "aria-busy", false);
    const sorted = inOrder(story);
    drawHead(job);
    entries.draw(sorted, job.created_at);
    arrange(find("#job-webhooks ul", section), webhooks(job.webhooks, (webhook) => String(webhook.id)));
    find("#job-webhooks", section).hidden = job.webhooks.length === 0;
    drawJson(find("#job-input", section), job.input);
    drawJson(find("#job-result", section), job.result);
    actions.update(job);
    tick(sorted);
  }

  function drawHead(now: StoryJob): void {
    document.title = `${now.title || now.job_id} · Operator · Tailwater`;
    setText(find("#job-facts", section), [factsOf(now), attemptWords(now.attempt)].filter(Boolean).join(" · "));
    setText(find("#job-title", section), now.title || now.job_id);
    section.dataset.status = now.status;
    section.dataset.job = now.job_id;
    find("#job-state", section).dataset.status = now.status;
    setText(find("#job-state", section), STATES[now.status] ?? now.status);
    setText(find("#job-id", section), now.job_id);
    setText(find("#explanation", section), now.explanation);
    const error = [now.error_code, now.error_message].filter((part) => part !== null).join(": ");
    // The explanation may have said it already.
    showText(find("#job-error", section), now.explanation.includes(now.error_message ?? "\0") ? "" : error);
    find("#job-studio", section).setAttribute("href", `/#job=${now.job_id}`);
  }

  /** What changes with the clock alone. */
  function tick(sorted: readonly Entry[] = inOrder(story)): void {
    if (job === null || feed === null || section.hidden) return;
    const now = Date.now();
    const silence = silenceOf(job, toldAt, now);
    if (isSuspicious(silence) && !section.hasAttribute("data-silent")) announce(job.explanation);
    for (const marked of [section, find("#job-state", section)]) setAttribute(marked, "data-silent", isSuspicious(silence));
    facts(find("#facts", section), factRows(job, silence, now));
    const ended = job.ended_at;
    if (ended === null || sorted.length === 0 || find("#line", section).dataset.drawn !== drawnOf(ended, sorted)) {
      line.draw(silence === null ? job : { ...job, last_sign_ms: silence }, sorted, now);
      find("#line", section).dataset.drawn = ended === null ? "" : drawnOf(ended, sorted);
    }
    drawReaders(reading, now);
  }

  find("#job-copy", section).addEventListener("click", () => void copyInto(find("#job-copy", section), id));

  return {
    open(wanted) {
      id = wanted;
      job = null;
      story = new Map();
      reading = null;
      setAttribute(section, "aria-busy", true);
      entries.clear();
      line.clear();
      actions.clear();
      feed = openFeed(storyAddress(id), {
        on: {
          job(data) {
            const before = job;
            job = (data as { job: StoryJob }).job;
            toldAt = Date.now();
            // Its seconds change all the time, and are not read out.
            if (before !== null && (before.status !== job.status || before.attempt !== job.attempt)) announce(job.explanation);
            request();
          },
          entry(data) {
            story = withEntry(story, data as Entry);
            request();
          },
          readers(data) {
            reading = data as Reading;
            request();
          },
        },
        onState,
        mayRetry: () => mayRetry(wanted),
        silenceMs: SILENCE_MS,
      });
    },
    close() {
      feed?.close();
      feed = null;
      onState(null);
    },
    tick() {
      tick();
    },
  };
}

/** What the time line of a job that is over was drawn of. */
const drawnOf = (ended: number, entries: readonly Entry[]): string => (
  [ended, entries.length, entries.reduce((sum, { at, until_at: until }) => sum + at + (until ?? 0), 0)].join(" ")
);

function factRows(job: StoryJob, silence: number | null, now: number): [string, string][] {
  const rows: [string, string | null][] = [
    ["Runs at", job.runner === "nobody" && job.ended_at !== null ? null : job.runner],
    ["Last sign of life", silence === null ? null : `${span(silence)} ago`],
    ["Waits for", job.waits_for],
    ["Stage", job.ended_at === null ? [`${Math.round(job.progress)} %`, job.stage, job.message ?? ""].filter(Boolean).join(" · ") : null],
    ["Lease", typeof job.lease_ms === "number" ? `${span(job.lease_ms)} left` : null],
    ["Submitted", timeOfDay(job.created_at)],
    [job.attempt > 1 ? "Began after" : "Waited", job.started_at === null ? (job.ended_at === null ? span(now - job.created_at) : null) : span(job.started_at - job.created_at)],
    [job.ended_at === null ? "Runs for" : "Ran", job.started_at === null ? null : span((job.ended_at ?? now) - job.started_at)],
    ["Project", job.project_id],
    ["Provider", job.provider],
    ["Model", job.model],
    ["Holds", job.hold === null || job.ended_at !== null ? null : `${creditsOf(job.hold)} credits`],
    ["Cost", job.cost === null ? null : `${creditsOf(job.cost)} credits`],
    ["Trace", job.trace_id],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== null && row[1] !== "");
}

function drawJson(details: HTMLElement, value: unknown): void {
  const text = value === null || value === undefined ? "" : JSON.stringify(value, null, 2);
  details.hidden = text === "";
  setText(find("pre", details, HTMLPreElement), text);
}

