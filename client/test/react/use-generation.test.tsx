// A submit and its job in a component, over a server that the test writes.

import { eventually, mount, shows, turn, wait } from "./page.ts";

import { StrictMode, type ReactElement } from "react";
import { renderToString } from "react-dom/server";
import { expect, test } from "vitest";

import { TailwaterError } from "../../src/errors.ts";
import { useGeneration, type Generation } from "../../src/react/index.ts";
import type { SubmitBody } from "../../src/types.ts";
import { COMPLETED, RUNNING, ScriptedServer, content, refused } from "./scripted.ts";

/** A component with a generation, and what it has got in each of its renders. */
class Subject {
  readonly server = new ScriptedServer();
  readonly renders: Generation[] = [];
  readonly View = (): ReactElement => {
    const generation = useGeneration({ client: this.server.client });
    this.renders.push(generation);
    return <p>{generation.job.text}</p>;
  };

  get now(): Generation {
    const newest = this.renders.at(-1);
    if (newest === undefined) throw new Error("it was never rendered");
    return newest;
  }

  /** The phases that were shown, each once in a row. */
  get phases(): readonly string[] {
    return this.renders.map(({ phase }) => phase).filter((phase, index, all) => phase !== all[index - 1]);
  }
}

const BLOG: SubmitBody = { kind: "blog", input: { topic: "tides", voiceover: true } };
const OTHER: SubmitBody = { kind: "voiceover", input: { text: "ebb" } };
const SUBMIT = "POST /api/jobs";
const CANCEL = "POST /api/jobs/job_1/cancel";
const STREAM = "GET /api/jobs/job_1/stream";

/** A subject whose first job runs. */
async function running(): Promise<Subject & { readonly container: HTMLElement; unmount(): Promise<void> }> {
  const subject = new Subject();
  const mounted = await mount(<subject.View />);
  expect(await subject.now.submit(BLOG)).toBe("job_1");
  subject.server.add("job_1", RUNNING, content(0, "first"));
  await shows(() => expect(subject.now.job.text).toBe("first"));
  return Object.assign(subject, mounted);
}

/** Holds every submit back; gives what answers them, in their order. */
function holdSubmits({ server }: Subject): { readonly signals: (AbortSignal | null)[]; answer(index: number, response: Response): void } {
  const answers: ((response: Response) => void)[] = [];
  const signals: (AbortSignal | null)[] = [];
  server.intercept = (request, signal) => {
    if (request !== SUBMIT) return null;
    signals.push(signal);
    return new Promise((resolve) => answers.push(resolve));
  };
  return { signals, answer: (index, response) => answers[index]?.(response) };
}

const taken = (jobId: string): Response => Response.json({ job_id: jobId }, { status: 202 });

test("it_goes_from_idle_to_completed", async () => {
  const subject = new Subject();
  await mount(<subject.View />);
  expect(subject.now).toMatchObject({ phase: "idle", jobId: null, error: null, connection: null, isBusy: false });
  const submitted = subject.now.submit(BLOG);
  await shows(() => expect(subject.now).toMatchObject({ phase: "running", jobId: "job_1", isBusy: true }));
  expect(await submitted).toBe("job_1");
  // What no event repeats is known from the submit.
  expect(subject.now.job).toMatchObject({ kind: "blog", input: { topic: "tides" }, hold: 5 });
  subject.server.add("job_1", RUNNING, content(0, "The tides"), COMPLETED);
  await shows(() => expect(subject.now).toMatchObject({ phase: "completed", isBusy: false, error: null }));
  expect(subject.now.job).toMatchObject({ text: "The tides", input: { topic: "tides" } });
  expect(subject.phases).toEqual(["idle", "submitting", "running", "completed"]);
  expect(subject.server.requests).toEqual([SUBMIT, STREAM]);
  expect(subject.server.sent(SUBMIT)).toEqual(BLOG);
});

test("a_refused_submit_says_what_is_wrong_with_each_field", async () => {
  const subject = new Subject();
  await mount(<subject.View />);
  const errors = [{ pointer: "/input/topic", detail: "must not be empty" }];
  subject.server.intercept = () => refused(400, "invalid_field", { errors });
  expect(await subject.now.submit(BLOG)).toBeNull();
  await shows(() => expect(subject.now).toMatchObject({ phase: "failed", jobId: null, isBusy: false }));
  expect(subject.now.error).toBeInstanceOf(TailwaterError);
  expect(subject.now.error).toMatchObject({ code: "invalid_field", status: 400, errors });
  subject.server.intercept = () => null;
  expect(await subject.now.retry()).toBe("job_1");
  // There was no job that this could be another try of.
  expect(subject.server.sent(SUBMIT)).toEqual(BLOG);
  await shows(() => expect(subject.now).toMatchObject({ phase: "running", error: null }));
});

test("a_failed_job_is_an_error_like_every_other", async () => {
  const subject = await running();
  subject.server.add("job_1", ["failed", { code: "provider_overloaded", message: "try later", retryable: true }]);
  await shows(() => expect(subject.now.phase).toBe("failed"));
  expect(subject.now.error).toBeInstanceOf(TailwaterError);
  expect(subject.now.error).toMatchObject({ code: "provider_overloaded", detail: "try later", retryable: true });
  expect(subject.now).toMatchObject({ jobId: "job_1", isBusy: false, job: { text: "first" } });
});

test("another_try_is_the_same_body_and_names_the_job_before", async () => {
  const subject = await running();
  subject.server.add("job_1", ["failed", { code: "internal", message: "it broke", retryable: true }]);
  await shows(() => expect(subject.now.phase).toBe("failed"));
  const from = subject.renders.length;
  expect(await subject.now.retry()).toBe("job_2");
  expect(subject.server.sent(SUBMIT)).toEqual({ ...BLOG, retry_of: "job_1" });
  subject.server.add("job_2", RUNNING, content(0, "second"));
  await shows(() => expect(subject.now.job.text).toBe("second"));
  expect(subject.now).toMatchObject({ phase: "running", jobId: "job_2", error: null });
  const tried = subject.renders.slice(from);
  expect(new Set(tried.map(({ job }) => job.text))).toEqual(new Set(["", "second"]));
  expect(await subject.now.retry()).toBe("job_3");
  expect(subject.server.sent(SUBMIT)).toEqual({ ...BLOG, retry_of: "job_2" });
});

test("a_try_that_is_refused_still_names_the_job_at_the_next", async () => {
  const subject = await running();
  subject.server.intercept = (request) => (request === SUBMIT ? refused(402, "insufficient_credits") : null);
  expect(await subject.now.retry()).toBeNull();
  await shows(() => expect(subject.now.error?.code).toBe("insufficient_credits"));
  subject.server.intercept = () => null;
  expect(await subject.now.retry()).toBe("job_2");
  expect(subject.server.sent(SUBMIT)).toEqual({ ...BLOG, retry_of: "job_1" });
});

test("the_newest_of_two_submits_wins_whichever_is_answered_first", async () => {
  const subject = new Subject();
  await mount(<subject.View />);
  const { signals, answer } = holdSubmits(subject);
  const older = subject.now.submit(BLOG);
  await eventually(() => expect(signals).toHaveLength(1));
  const newer = subject.now.submit(OTHER);
  await eventually(() => expect(signals.map((signal) => signal?.aborted)).toEqual([true, false]));
  answer(1, taken("job_new"));
  expect(await newer).toBe("job_new");
  answer(0, taken("job_old"));
  expect(await older).toBeNull();
  await shows(() => expect(subject.now).toMatchObject({ phase: "running", jobId: "job_new", job: { kind: "voiceover" } }));
  expect(subject.renders.map(({ jobId }) => jobId)).not.toContain("job_old");
});

test("a_submit_that_is_broken_off_by_a_newer_one_is_no_error", async () => {
  const subject = new Subject();
  await mount(<subject.View />);
  subject.server.intercept = (request, signal) =>
    request === SUBMIT && subject.server.count(SUBMIT) === 1
      ? new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)))
      : null;
  const older = subject.now.submit(BLOG);
  await eventually(() => expect(subject.server.count(SUBMIT)).toBe(1));
  expect(await subject.now.submit(OTHER)).toBe("job_1");
  expect(await older).toBeNull();
  await shows(() => expect(subject.now).toMatchObject({ phase: "running", jobId: "job_1", error: null }));
  expect(subject.renders.every(({ error }) => error === null)).toBe(true);
});

test("a_submit_while_a_job_runs_shows_the_new_one_and_lets_the_old_one_run", async () => {
  const subject = await running();
  const from = subject.renders.length;
  expect(await subject.now.submit(OTHER)).toBe("job_2");
  await shows(() => expect([...subject.server.streams].map(({ jobId }) => jobId)).toEqual(["job_2"]));
  expect(subject.renders.slice(from).map(({ job }) => job.text).join("")).toBe("");
  expect(subject.server.count(CANCEL)).toBe(0);
});

test("a_cancel_is_shown_when_the_job_has_ended", async () => {
  const subject = await running();
  await subject.now.cancel("enough");
  expect(subject.server.sent(CANCEL)).toEqual({ reason: "enough" });
  await shows(() => expect(subject.now).toMatchObject({ phase: "canceled", isBusy: false, error: null, job: { text: "first" } }));
});

test("a_cancel_during_the_submit_reaches_the_job_that_comes_of_it", async () => {
  const subject = new Subject();
  await mount(<subject.View />);
  const { signals, answer } = holdSubmits(subject);
  const submitted = subject.now.submit(BLOG);
  await eventually(() => expect(signals).toHaveLength(1));
  const canceled = subject.now.cancel();
  await turn();
  expect(subject.server.requests).toEqual([SUBMIT]);
  answer(0, taken("job_1"));
  expect(await submitted).toBe("job_1");
  await canceled;
  await shows(() => expect(subject.now.phase).toBe("canceled"));
  expect(subject.server.count(CANCEL)).toBe(1);
});

test("a_cancel_that_comes_to_nothing_says_so_until_the_job_ends", async () => {
  const subject = await running();
  subject.server.intercept = (request) => (request === CANCEL ? refused(503, "draining") : null);
  await subject.now.cancel();
  await shows(() => expect(subject.now).toMatchObject({ phase: "running", error: { code: "draining" } }));
  subject.server.add("job_1", COMPLETED);
  await shows(() => expect(subject.now).toMatchObject({ phase: "completed", error: null }));
});

test("a_cancel_that_gets_through_takes_back_the_error_of_the_one_before", async () => {
  const subject = await running();
  subject.server.intercept = (request) => (request === CANCEL ? refused(503, "draining") : null);
  await subject.now.cancel();
  await shows(() => expect(subject.now.error?.code).toBe("draining"));
  const canceling = { job_id: "job_1", status: "canceling" };
  subject.server.intercept = (request) => (request === CANCEL ? Response.json(canceling) : null);
  await subject.now.cancel();
  await shows(() => expect(subject.now).toMatchObject({ phase: "running", error: null }));
});

test("a_cancel_that_comes_to_nothing_says_nothing_of_the_next_job", async () => {
  const subject = await running();
  let answer: (response: Response) => void = () => undefined;
  subject.server.intercept = (request) =>
    request === CANCEL ? new Promise((resolve) => { answer = resolve; }) : null;
  const canceled = subject.now.cancel();
  await eventually(() => expect(subject.server.count(CANCEL)).toBe(1));
  expect(await subject.now.submit(OTHER)).toBe("job_2");
  answer(refused(503, "draining"));
  await canceled;
  await turn();
  expect(subject.now).toMatchObject({ phase: "running", jobId: "job_2", error: null });
});

test("a_job_that_cannot_be_watched_runs_on_and_says_why_it_is_not_seen", async () => {
  const subject = new Subject();
  await mount(<subject.View />);
  subject.server.intercept = (request) => (request === SUBMIT ? null : refused(403, "not_yours"));
  await subject.now.submit(BLOG);
  await eventually(() => expect(subject.now).toMatchObject({ phase: "running", error: { code: "not_yours" } }), () => wait(1_000));
});

test("a_cancel_that_comes_after_the_jobs_own_end_is_no_error", async () => {
  const subject = await running();
  subject.server.intercept = (request) => (request === CANCEL ? refused(409, "job_ended") : null);
  await subject.now.cancel();
  await turn();
  expect(subject.now).toMatchObject({ phase: "running", error: null });
  expect(subject.server.count(CANCEL)).toBe(1);
});

test("with_nothing_submitted_there_is_nothing_to_cancel_or_to_try_again", async () => {
  const subject = new Subject();
  await mount(<subject.View />);
  await subject.now.cancel();
  expect(await subject.now.retry()).toBeNull();
  expect(subject.now.phase).toBe("idle");
  expect(subject.server.requests).toEqual([]);
});

test("a_component_that_leaves_during_the_submit_neither_cancels_nor_watches", async () => {
  const subject = new Subject();
  const { unmount } = await mount(<subject.View />);
  const { signals, answer } = holdSubmits(subject);
  const submitted = subject.now.submit(BLOG);
  await eventually(() => expect(signals).toHaveLength(1));
  await unmount();
  const before = subject.renders.length;
  expect(signals[0]?.aborted).toBe(false);
  answer(0, taken("job_1"));
  expect(await submitted).toBe("job_1");
  await turn();
  expect(subject.renders.length).toBe(before);
  expect(subject.server.requests).toEqual([SUBMIT]);
});

test("a_component_that_leaves_while_the_job_runs_lets_it_run", async () => {
  const subject = await running();
  await subject.unmount();
  await eventually(() => expect(subject.server.streams.size).toBe(0));
  expect(subject.server.requests).toEqual([SUBMIT, STREAM]);
});

test("a_reset_forgets_the_job_and_lets_it_run", async () => {
  const subject = await running();
  subject.now.reset();
  await shows(() => expect(subject.now).toMatchObject({ phase: "idle", jobId: null, job: { text: "", kind: null }, isBusy: false }));
  await eventually(() => expect(subject.server.streams.size).toBe(0));
  await subject.now.cancel();
  expect(await subject.now.retry()).toBeNull();
  expect(subject.server.requests).toEqual([SUBMIT, STREAM]);
});

test("in_strict_mode_there_is_one_submit_and_one_stream", async () => {
  const subject = new Subject();
  await mount(<StrictMode><subject.View /></StrictMode>);
  await subject.now.submit(BLOG);
  subject.server.add("job_1", content(0, "once"));
  await shows(() => expect(subject.now.job.text).toBe("once"));
  expect(subject.server.requests).toEqual([SUBMIT, STREAM]);
});

test("its_functions_stay_the_same", async () => {
  const subject = await running();
  const functions = subject.renders.map(({ submit, cancel, retry, reset }) => [submit, cancel, retry, reset]);
  expect(functions.length).toBeGreaterThan(2);
  for (const later of functions) later.forEach((each, index) => expect(each).toBe(functions[0]?.[index]));
});

test("a_server_renders_it_idle_and_asks_nothing", () => {
  const subject = new Subject();
  expect(renderToString(<subject.View />)).toBe("<p></p>");
  expect(subject.now.phase).toBe("idle");
  expect(subject.server.requests).toEqual([]);
});
