// One poll for each id: replacing, sharing, stopping, and what is left over.

import { describe, expect, it, vi } from "vitest";

import { pollFileCompletion, pollProjectCompletion, smartPollingManager } from "../../src/polling/index.ts";
import { broken, file, hang, json, pass, TestWorld, useFakeTime } from "./support.ts";

const running = (): Response => json(file("running"));

/** A server on which the file is there after so long. */
const readyAfter = (ms: number): TestWorld =>
  new TestWorld(({ at }) => json(file(at >= ms ? "completed" : "running")));

describe("the manager", () => {
  useFakeTime();

  it("tells_what_is_going_on", async () => {
    const world = new TestWorld((_, index) => (index === 1 ? broken() : running()));
    void world.manager.pollFileCompletion("12345");
    void world.manager.startPolling("mine", () => ({ completed: false }));
    await pass(2_000);
    expect(world.manager.getPollingStatus()).toEqual([
      { pollId: "file-12345", attempts: 2, elapsed: 2_000, lastError: expect.stringContaining("fetch failed") },
      { pollId: "mine", attempts: 2, elapsed: 2_000, lastError: null },
    ]);
    await pass(2_000);
    expect(world.manager.getPollingStatus()[0]?.lastError).toBeNull();
    world.manager.stopAllPolling();
    expect(world.manager.getPollingStatus()).toEqual([]);
  });

  it.each([
    ["file-12345", "pollFileCompletion"],
    ["12345", "pollFileCompletion"],
    ["project-12345", "pollProjectCompletion"],
    ["12345", "pollProjectCompletion"],
  ] as const)("knows_a_poll_as_%s (%s)", async (id, poll) => {
    const world = new TestWorld(running);
    const result = world.manager[poll]("12345");
    expect(world.manager.isPolling(id)).toBe(true);
    expect(world.manager.isPolling("other")).toBe(false);
    expect(world.manager.stopPolling("other")).toBe(false);
    expect(world.manager.stopPolling(id)).toBe(true);
    expect(world.manager.isPolling(id)).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
    expect(await result).toMatchObject({ success: false, method: "stopped" });
    await pass(0);
    world.expectNothingLeft();
  });

  it("a_replaced_poll_settles_and_its_late_answer_changes_nothing", async () => {
    const answers: ((response: Response) => void)[] = [];
    const world = new TestWorld(() => new Promise((resolve) => answers.push(resolve)));
    const first = world.manager.pollFileCompletion("file_1");
    const second = world.manager.pollFileCompletion("file_1");
    expect(await first).toMatchObject({ success: false, method: "replaced" });
    expect(world.requests[0]?.signal.aborted).toBe(true);
    answers[0]?.(json(file("completed", { bytes: 1 })));
    await pass(0);
    expect(world.manager.isPolling("file_1")).toBe(true);
    answers[1]?.(json(file("completed", { bytes: 2 })));
    expect(await second).toMatchObject({ success: true, data: { bytes: 2 } });
    world.expectNothingLeft();
  });

  it("a_poll_function_that_does_not_heed_its_signal_holds_nobody_up", async () => {
    const world = new TestWorld(running);
    let fail = (): void => undefined;
    const late = new Promise<never>((_, reject) => (fail = () => reject(new Error("late"))));
    const result = world.manager.startPolling("mine", () => late);
    world.manager.stopPolling("mine");
    expect(await result).toMatchObject({ method: "stopped" });
    fail();
    await pass(0);
    world.expectNothingLeft();
  });

  it("a_poll_function_that_goes_on_for_nobody_leaves_no_timer", async () => {
    const world = new TestWorld(running);
    let goOn = (): void => undefined;
    void world.manager.startPolling("mine", async ({ cutAfter }) => {
      await new Promise<void>((resolve) => (goOn = resolve));
      cutAfter(60_000);
      return { completed: false };
    });
    world.manager.stopAllPolling();
    goOn();
    await pass(0);
    world.expectNothingLeft();
  });

  it("one_request_of_an_id_is_open_at_a_time", async () => {
    const world = new TestWorld(({ at }) => new Promise((resolve) => {
      setTimeout(() => resolve(json(file(at > 60_000 ? "completed" : "running"))), 4_000);
    }));
    const result = world.manager.pollFileCompletion("file_1");
    for (let second = 0; second < 100; second += 1) {
      await pass(1_000);
      world.page.wake();
    }
    expect(await result).toMatchObject({ success: true });
    expect(Math.max(...world.requests.map((seen) => seen.open))).toBe(1);
  });

  it("nothing_leaks_after_stopAllPolling", async () => {
    const controller = new AbortController();
    const removed = vi.spyOn(controller.signal, "removeEventListener");
    const added = vi.spyOn(controller.signal, "addEventListener");
    const world = new TestWorld(({ url }) => (url.includes("hang") ? hang() : url.includes("broken") ? broken() : running()));
    const options = { signal: controller.signal };
    const results = [
      world.manager.pollFileCompletion("hang", options),
      world.manager.pollFileCompletion("broken", options),
      world.manager.pollProjectCompletion("slow", options),
      world.manager.pollFileCompletion("slow", { ...options, shared: true }),
      world.manager.pollFileCompletion("slow", { ...options, shared: true }),
      world.manager.startPolling("mine", hang, options),
    ];
    await pass(2_500);
    expect(world.manager.getPollingStatus()).toHaveLength(5);
    world.manager.stopAllPolling();
    expect(vi.getTimerCount()).toBe(0);
    expect(world.page.listeners.size).toBe(0);
    const ended = await Promise.all(results);
    expect(ended.map(({ method }) => method)).toEqual(Array(6).fill("stopped"));
    await pass(0);
    world.expectNothingLeft();
    expect(added).toHaveBeenCalledTimes(6);
    expect(removed).toHaveBeenCalledTimes(6);
    const before = world.requests.length;
    await pass(600_000);
    expect(world.requests).toHaveLength(before);
  });

  it("nothing_leaks_after_many_polls_that_ended_by_themselves", async () => {
    const world = readyAfter(2_000);
    for (let index = 0; index < 50; index += 1) void world.manager.pollFileCompletion(`file_${index}`);
    await pass(4_000);
    world.expectNothingLeft();
  });
});

describe("sharing", () => {
  useFakeTime();

  it("callers_who_share_get_the_same_result_from_one_poll", async () => {
    const world = readyAfter(8_000);
    const progress = [vi.fn(), vi.fn()];
    const first = world.manager.pollFileCompletion("file_1", { onProgress: progress[0] });
    await pass(500);
    const second = world.manager.pollFileCompletion("file_1", { shared: true, onProgress: progress[1] });
    await pass(8_000);
    expect(await second).toBe(await first);
    expect(await first).toMatchObject({ success: true, attempts: 4 });
    expect(world.times).toEqual([0, 1_000, 3_000, 8_000]);
    expect(progress[0]?.mock.calls.map(([attempt]) => attempt)).toEqual([1, 2, 3]);
    expect(progress[1]?.mock.calls.map(([attempt]) => attempt)).toEqual([2, 3]);
  });

  it("shared_begins_a_poll_where_there_is_none", async () => {
    const world = readyAfter(0);
    expect(await world.manager.pollFileCompletion("file_1", { shared: true })).toMatchObject({ success: true });
  });

  it.each([0, 1])("a_caller's_signal_lets_go_of_that_caller_alone (%i)", async (who) => {
    const world = readyAfter(8_000);
    const controllers = [new AbortController(), new AbortController()] as const;
    const results = controllers.map(({ signal }) => world.manager.pollFileCompletion("file_1", { shared: true, signal }));
    await pass(2_000);
    controllers[who]?.abort();
    expect(await results[who]).toMatchObject({ success: false, method: "aborted", duration: 2_000 });
    await pass(6_000);
    expect(await results[1 - who]).toMatchObject({ success: true });
    world.expectNothingLeft();
  });

  it("the_poll_ends_when_nobody_waits_for_it", async () => {
    const world = readyAfter(60_000);
    const controllers = [new AbortController(), new AbortController()] as const;
    const results = controllers.map(({ signal }) => world.manager.pollFileCompletion("file_1", { shared: true, signal }));
    await pass(2_000);
    for (const controller of controllers) controller.abort();
    for (const result of results) expect(await result).toMatchObject({ method: "aborted" });
    world.expectNothingLeft();
  });

  it("all_who_share_are_told_when_the_poll_is_replaced", async () => {
    const world = readyAfter(60_000);
    const shared = [1, 2].map(() => world.manager.pollFileCompletion("file_1", { shared: true }));
    void world.manager.pollFileCompletion("file_1");
    for (const result of shared) expect(await result).toMatchObject({ success: false, method: "replaced" });
    world.manager.stopAllPolling();
  });
});

describe("the handle of a poll that ended before its job", () => {
  useFakeTime();

  it("tells_what_was_polled_for_and_polls_on_with_a_time_of_its_own", async () => {
    const world = readyAfter(500_000);
    const onProgress = vi.fn();
    const result = world.manager.pollFileCompletion("file_1", { initialInterval: 2_000, onProgress });
    await pass(420_000);
    const { handle, method } = await result;
    expect(method).toBe("timeout");
    expect(handle).toMatchObject({ pollId: "file-file_1", fileId: "file_1", jobId: "job_1" });
    const calls = onProgress.mock.calls.length;
    const more = handle?.resume();
    await pass(100_000);
    expect(await more).toMatchObject({ success: true, data: { id: "file_1" } });
    expect(onProgress.mock.calls[calls]).toEqual([1, 0, 2_000]);
    world.expectNothingLeft();
  });

  it("a_timeout_cancels_no_job", async () => {
    const asked = new Set<string>();
    const fetch = (url: string, { method = "GET" }: RequestInit = {}): Promise<Response> => {
      asked.add(`${method} ${url}`);
      return Promise.resolve(running());
    };
    const world = new TestWorld(running, { fetch });
    const result = world.manager.pollFileCompletion("file_1");
    await pass(420_000);
    expect(await result).toMatchObject({ method: "timeout" });
    expect([...asked]).toEqual(["GET /api/file/file_1"]);
  });

  it("those_who_shared_a_poll_share_what_follows_it", async () => {
    const world = readyAfter(430_000);
    const shared = [false, true].map((joins) => world.manager.pollFileCompletion("file_1", { shared: joins }));
    await pass(420_000);
    const more = (await Promise.all(shared)).map(({ handle }) => handle?.resume());
    await pass(20_000);
    for (const result of more) expect(await result).toMatchObject({ success: true });
  });

  it("options_of_before_hold_but_for_the_signal_and_what_is_given_anew", async () => {
    const world = readyAfter(10_000);
    const controller = new AbortController();
    const result = world.manager.pollProjectCompletion("shop", { signal: controller.signal, initialInterval: 3_000 });
    controller.abort();
    const { handle, method } = await result;
    expect(method).toBe("aborted");
    expect(handle).toMatchObject({ pollId: "project-shop", projectId: "shop" });
    const before = world.requests.length;
    const more = handle?.resume({ maxDuration: 4_000 });
    await pass(4_000);
    expect(await more).toMatchObject({ method: "timeout" });
    expect(world.times.slice(before)).toEqual([0, 3_000]);
  });
});

describe("the singleton", () => {
  useFakeTime();

  it("serves_the_helper_functions", async () => {
    const urls: string[] = [];
    vi.stubGlobal("fetch", (url: string) => {
      urls.push(url);
      return Promise.resolve(running());
    });
    const results = [pollFileCompletion("file_1"), pollProjectCompletion("shop")];
    expect(smartPollingManager.isPolling("file-file_1")).toBe(true);
    expect(smartPollingManager.isPolling("project-shop")).toBe(true);
    await pass(0);
    smartPollingManager.stopAllPolling();
    for (const result of results) expect(await result).toMatchObject({ method: "stopped" });
    expect(urls).toEqual(["/api/file/file_1", "/api/project/shop"]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
