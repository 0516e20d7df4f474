// Each class of errors, over HTTP and from a poll function made by hand.

import { describe, expect, it } from "vitest";

import type { PollingResult } from "../../src/polling/index.ts";
import { broken, file, hang, json, pass, problem, TestWorld, useFakeTime, type Handler } from "./support.ts";

const done = (): Response => json(file("completed"));

/** The first answer is this one, and then the file is there. */
const once = (answer: () => Response | Error): Handler => (_, index) => (index === 0 ? answer() : done());

/** A poll function that throws this at first. */
const thrower = (thrown: unknown): (() => { completed: boolean }) => {
  let calls = 0;
  return () => {
    if (calls++ === 0) throw thrown;
    return { completed: true };
  };
};

describe("errors over HTTP", () => {
  useFakeTime();

  it("429_waits_for_the_seconds_of_Retry_After_even_beyond_maxInterval", async () => {
    const world = new TestWorld(once(() => problem(429, { "retry-after": "45" })));
    const result = world.manager.pollFileCompletion("file_1");
    await pass(45_000);
    expect(await result).toMatchObject({ success: true });
    expect(world.times).toEqual([0, 45_000]);
  });

  it("429_waits_for_the_date_of_Retry_After", async () => {
    const world = new TestWorld(once(() => problem(429, { "retry-after": "Thu, 26 Nov 2026 12:00:25 GMT" })));
    void world.manager.pollFileCompletion("file_1");
    await pass(25_000);
    expect(world.times).toEqual([0, 25_000]);
  });

  it("429_with_a_Retry_After_of_nothing_still_waits_for_the_first_interval", async () => {
    const world = new TestWorld(once(() => problem(429, { "retry-after": "0" })));
    void world.manager.pollFileCompletion("file_1");
    await pass(1_000);
    expect(world.times).toEqual([0, 1_000]);
  });

  it("429_without_Retry_After_doubles_the_wait_whatever_the_multiplier", async () => {
    const world = new TestWorld(() => problem(429));
    void world.manager.pollFileCompletion("file_1", { backoffMultiplier: 7 });
    await pass(34_000);
    expect(world.times).toEqual([0, 2_000, 6_000, 14_000, 24_000, 34_000]);
    world.manager.stopAllPolling();
  });

  it("429_is_no_error_that_a_poll_gives_up_after", async () => {
    const world = new TestWorld(() => problem(429, { "retry-after": "5" }));
    const result = world.manager.pollFileCompletion("file_1", { maxConsecutiveErrors: 2 });
    await pass(420_000);
    expect(await result).toMatchObject({ method: "timeout" });
  });

  it.each([500, 502, 503, 504, 524])("%i_is_tried_again_a_few_times", async (status) => {
    const world = new TestWorld(() => problem(status));
    const result = world.manager.pollFileCompletion("file_1");
    await pass(60_000);
    expect(await result).toMatchObject({ method: "error", attempts: 5 });
  });

  it("503_with_Retry_After_is_not_asked_sooner", async () => {
    const world = new TestWorld(once(() => problem(503, { "retry-after": "20" })));
    void world.manager.pollFileCompletion("file_1");
    await pass(20_000);
    expect(world.times).toEqual([0, 20_000]);
  });

  it.each([408, 425])("%i_is_tried_again", async (status) => {
    const world = new TestWorld(once(() => problem(status)));
    const result = world.manager.pollFileCompletion("file_1");
    await pass(2_000);
    expect(await result).toMatchObject({ success: true, attempts: 2 });
  });

  it("404_goes_on_as_the_file_may_still_come", async () => {
    const world = new TestWorld(({ at }) => (at < 60_000 ? problem(404) : done()));
    const result = world.manager.pollFileCompletion("file_1", { maxConsecutiveErrors: 2 });
    await pass(5_000);
    expect(world.manager.getPollingStatus()[0]).toMatchObject({ lastError: "no, 404" });
    await pass(65_000);
    expect(await result).toMatchObject({ success: true });
    expect(world.times.slice(0, 5)).toEqual([0, 1_000, 3_000, 8_000, 18_000]);
  });

  it("404_with_Retry_After_is_not_asked_sooner", async () => {
    const world = new TestWorld(once(() => problem(404, { "retry-after": "4" })));
    void world.manager.pollFileCompletion("file_1");
    await pass(4_000);
    expect(world.times).toEqual([0, 4_000]);
  });

  it.each([400, 401, 403, 410, 422])("%i_stops_at_once", async (status) => {
    const world = new TestWorld(() => problem(status));
    const result = await world.manager.pollFileCompletion("file_1");
    expect(result).toMatchObject({ success: false, method: "error", attempts: 1, error: `no, ${status}` });
    world.expectNothingLeft();
  });

  it("network_errors_are_tried_again", async () => {
    const world = new TestWorld(once(broken));
    const result = world.manager.pollFileCompletion("file_1");
    await pass(2_000);
    expect(await result).toMatchObject({ success: true, attempts: 2 });
  });

  it("network_errors_do_not_count_while_the_network_is_known_to_be_away", async () => {
    const world = new TestWorld(() => (world.page.online ? done() : broken()));
    world.page.online = false;
    const result = world.manager.pollFileCompletion("file_1", { maxConsecutiveErrors: 2 });
    await pass(300_000);
    expect(world.manager.isPolling("file_1")).toBe(true);
    world.page.online = true;
    world.page.wake();
    expect(await result).toMatchObject({ success: true });
  });

  it("what_a_server_answers_counts_whatever_the_browser_says_of_the_network", async () => {
    const world = new TestWorld(() => problem(503));
    world.page.online = false;
    const result = world.manager.pollFileCompletion("file_1");
    await pass(60_000);
    expect(await result).toMatchObject({ method: "error", attempts: 5 });
  });

  it("a_server_that_wants_to_be_left_alone_is_not_given_a_last_look", async () => {
    const world = new TestWorld(() => problem(429, { "retry-after": "30" }));
    const result = world.manager.pollFileCompletion("file_1", { maxDuration: 20_000 });
    await pass(20_000);
    expect(await result).toMatchObject({ method: "timeout", attempts: 1 });
  });

  it("an_answer_that_cannot_be_read_is_tried_again", async () => {
    const world = new TestWorld(once(() => new Response("<html>sign in to the hotel</html>")));
    const result = world.manager.pollFileCompletion("file_1");
    await pass(2_000);
    expect(await result).toMatchObject({ success: true, attempts: 2 });
  });

  it("a_request_that_hangs_is_cut_and_tried_again", async () => {
    const world = new TestWorld((_, index) => (index === 0 ? hang() : done()));
    const result = world.manager.pollFileCompletion("file_1");
    await pass(40_000);
    expect(await result).toMatchObject({ success: true, attempts: 2 });
    expect(world.requests[0]?.signal.aborted).toBe(true);
  });

  it.each(["failed", "canceled"] as const)("a_job_that_%s_ends_the_poll_with_the_reason", async (status) => {
    const error = { code: "moderated", message: "the model refuses", retryable: false };
    const world = new TestWorld(() => json(file(status, status === "failed" ? { error } : {})));
    const result: PollingResult = await world.manager.pollFileCompletion("file_1");
    expect(result).toMatchObject({ success: false, method: "polling", data: { status } });
    expect(result.error).toBe(status === "failed" ? "the model refuses" : "The job was canceled");
    expect(result.handle).toBeUndefined();
  });

  it("a_project_of_which_nothing_was_completed_is_no_success", async () => {
    const jobs = (...states: string[]): Response =>
      json({ project_id: "shop", completed: true, active: 0, jobs: states.map((status) => ({ id: "job_1", status })) });
    const none = new TestWorld(() => jobs("failed", "canceled"));
    expect(await none.manager.pollProjectCompletion("shop")).toMatchObject({ success: false, method: "polling" });
    const some = new TestWorld(() => jobs("failed", "completed"));
    expect(await some.manager.pollProjectCompletion("shop")).toMatchObject({ success: true, data: { project_id: "shop" } });
    const nothing = new TestWorld(() => jobs());
    expect(await nothing.manager.pollProjectCompletion("shop")).toMatchObject({ success: true });
  });

  it("a_project_without_jobs_is_waited_for", async () => {
    const empty = { project_id: "shop", completed: false, active: 0, jobs: [], poll_after_ms: null };
    const full = { ...empty, completed: true, jobs: [{ id: "job_1", status: "completed" }] };
    const world = new TestWorld((_, index) => json(index < 2 ? empty : full));
    const result = world.manager.pollProjectCompletion("shop");
    await pass(3_000);
    expect(await result).toMatchObject({ success: true, attempts: 3 });
  });
});

describe("errors of a poll function made by hand", () => {
  useFakeTime();

  it.each([
    ["an error without a status", new Error("Server error: 500"), 2_000],
    ["an object with a status", { status: 429, message: "Rate limited" }, 2_000],
    ["its own word on when to come again", { status: 429, retryAfterMs: 7_000 }, 7_000],
    ["the header's seconds", { status: 429, retryAfter: 6 }, 6_000],
    ["the header's text", { status: 429, retryAfter: "Thu, 26 Nov 2026 12:00:09 GMT" }, 9_000],
    ["nothing that can be missed", { status: 404, message: "not yet" }, 1_000],
    ["no error at all", "gone", 2_000],
    ["undefined", undefined, 2_000],
  ])("%s", async (_, thrown, due) => {
    const world = new TestWorld(broken);
    const result = world.manager.startPolling("mine", thrower(thrown));
    await pass(due - 1);
    expect(world.manager.isPolling("mine")).toBe(true);
    await pass(1);
    expect(await result).toMatchObject({ success: true, duration: due, attempts: 2 });
  });

  it("words_of_a_rate_limit_are_understood", async () => {
    const world = new TestWorld(broken);
    let calls = 0;
    const result = world.manager.startPolling("mine", () => {
      calls += 1;
      throw new Error(calls % 2 === 0 ? "HTTP 429" : "the rate limit is reached");
    });
    await pass(420_000);
    expect(await result).toMatchObject({ method: "timeout" });
  });

  it("shouldContinue_false_ends_it_with_its_error", async () => {
    const world = new TestWorld(broken);
    const result = world.manager.startPolling("mine", () => ({ completed: false, error: "no such song", shouldContinue: false }));
    expect(await result).toMatchObject({ success: false, method: "polling", error: "no such song", attempts: 1 });
  });

  it("a_hint_that_makes_no_sense_is_passed_over", async () => {
    const world = new TestWorld(broken);
    let calls = 0;
    void world.manager.startPolling("mine", () => {
      calls += 1;
      return { completed: false, pollAfterMs: calls % 2 === 0 ? NaN : -5 };
    });
    await pass(3_500);
    expect(calls).toBe(3);
    world.manager.stopAllPolling();
  });
});
