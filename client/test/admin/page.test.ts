// The parts of the operator's page, drawn into the page itself.
//
// @vitest-environment happy-dom

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { jobActions } from "../../admin/actions.ts";
import { jobSection } from "../../admin/job.ts";
import { overviewSection } from "../../admin/overview.ts";
import { readersView } from "../../admin/readers.ts";
import type { Reader } from "../../admin/types.ts";
import { find } from "../../studio/dom.ts";
import { figures, job, lane, storyJob } from "./samples.ts";

const BODY = /<body[^>]*>([^]*)<\/body>/.exec(readFileSync(join(import.meta.dirname, "../../../static/admin.html"), "utf8"))?.[1] ?? "";

/** An `EventSource` that says what a test says. */
class Scripted extends EventTarget {
  static opened: Scripted[] = [];
  readyState = 1;
  onopen = null;
  onerror = null;

  constructor(readonly url: string) {
    super();
    Scripted.opened.push(this);
  }
  say(type: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data) }));
  }
  close(): void {
    this.readyState = 2;
  }
}

beforeEach(() => {
  document.body.innerHTML = BODY;
  Scripted.opened = [];
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Scripted);
});
afterEach(() => vi.useRealTimers());

const text = (selector: string): string => find(selector).textContent?.replace(/\s+/g, " ").trim() ?? "";

test("how long somebody reads is left out where nobody knows", () => {
  const reader: Reader = { key: "engine-0", transport: "stream", after: 7, behind: 0, since: null, silent_ms: 20_000 };
  const draw = readersView(find("#job"));
  draw({ readers: [reader], head: 7, durable_through: 7 }, 1_700_000_000_000);
  expect(text("#readers .reader-since")).toBe("at event 7, took nothing for 20 s");
  draw({ readers: [{ ...reader, since: 1_699_999_995_000, silent_ms: null }], head: 7, durable_through: 7 }, 1_700_000_000_000);
  expect(text("#readers .reader-since")).toBe("since 5.0 s, at event 7");
});

test("what this process has counted is said to be since its start, and is no way to a list", () => {
  const section = find("#overview");
  section.hidden = false;
  overviewSection(section).take(figures({ jobs: { pending: 1, running: 2, completed_total: 3, failed_total: 4, canceled_total: 5 } }));
  const states = [...document.querySelectorAll("#states a")].map((state) => [state.textContent, state.getAttribute("href")]);
  expect(states).toEqual([
    ["1 waiting", "#/jobs?status=pending"], ["2 running", "#/jobs?status=running"], ["3 done since start", null], ["4 failed since start", null],
    ["5 canceled since start", null],
  ]);
});

test("what a database that does not answer would count is a dash, and not nothing", () => {
  const section = find("#overview");
  section.hidden = false;
  const overview = overviewSection(section);
  const away = figures({
    database: false, credits: null, jobs: { ...figures().jobs, pending: null, running: null }, webhooks: { ...figures().webhooks, pending: null },
  });
  overview.take(away);
  expect(text("#states")).toMatch(/^– waiting– running0 done/);
  expect(text("#purse")).toBe("Available–Held by jobs–Taken–Granted–");
  expect(text("#hooks")).toMatch(/^On their way–Delivered since start0/);
  expect(text("[data-figure=queue]")).toBe("In the queue–the database does not answer");
  expect(text("#queue + .empty")).toMatch(/database does not answer/);
  expect(text("#concerns")).toMatch(/^The database does not answer/);
  overview.take({ ...away, queue: [lane({ waiting: 0, oldest_ms: 0, running: 1 })] });
  expect([...document.querySelectorAll("#queue td")].map(({ textContent }) => textContent)).toEqual(["–", "–", "1", "–"]);
});

test("a result is shown where there is one", async () => {
  const section = find("#job");
  section.hidden = false;
  const view = jobSection(section, { onState: () => undefined, mayRetry: () => Promise.resolve(true) });
  view.open("job_1");
  Scripted.opened[0]?.say("job", { job: storyJob() });
  await vi.advanceTimersByTimeAsync(50);
  expect(find("#job-result").hidden).toBe(true);
  Scripted.opened[0]?.say("job", { job: storyJob({ status: "completed", ended_at: 9_000, result: { text: "Tides" } }) });
  await vi.advanceTimersByTimeAsync(50);
  expect([find("#job-result").hidden, JSON.parse(text("#job-result pre"))]).toEqual([false, { text: "Tides" }]);
  view.close();
});

test("a story that nothing comes of any more is opened anew", async () => {
  const view = jobSection(find("#job"), { onState: () => undefined, mayRetry: () => Promise.resolve(true) });
  view.open("job_1");
  for (let told = 0; told < 4; told += 1) {
    Scripted.opened[0]?.say("readers", { readers: [], head: 0, durable_through: 0 });
    await vi.advanceTimersByTimeAsync(5_000);
  }
  expect(Scripted.opened.length).toBe(1);
  await vi.advanceTimersByTimeAsync(9_000);
  expect(Scripted.opened.length).toBe(2);
  view.close();
});

test("a retry whose answer was lost is asked for by the same key, and the next one by another", async () => {
  const keys: (string | null)[] = [];
  const answers = [
    () => Promise.reject(new TypeError("no network")),
    () => Promise.resolve(Response.json({ job_id: "job_2" }, { status: 202 })),
    () => Promise.resolve(Response.json({ job_id: "job_3" }, { status: 202 })),
  ];
  vi.stubGlobal("fetch", (_: string, init: RequestInit) => {
    keys.push(new Headers(init.headers).get("idempotency-key"));
    return answers.shift()?.();
  });
  jobActions(find("#job")).update(job({ status: "failed", ended_at: 5_000 }));
  for (const told of [/cannot be reached/, /job_2/, /job_3/]) {
    find("#retry").click();
    find("#ask", document, HTMLDialogElement).close("yes");
    await vi.advanceTimersByTimeAsync(50);
    expect(text("#job-told")).toMatch(told);
  }
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect([keys[1] === keys[0], keys[2] === keys[0], keys.length]).toEqual([true, false, 3]);
});
