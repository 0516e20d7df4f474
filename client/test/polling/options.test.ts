// Each option, and each field of a result.

import { describe, expect, it, vi } from "vitest";

import { SmartPollingManager, type PollingOptions } from "../../src/polling/index.ts";
import { broken, file, json, pass, problem, TestWorld, useFakeTime } from "./support.ts";

const running = (): Response => json(file("running"));

/** When the requests of a poll with these options begin, in its first `ms` milliseconds. */
async function timesOf(options: PollingOptions, ms: number, answer: () => Response | Error = running): Promise<number[]> {
  const world = new TestWorld(answer);
  void world.manager.pollFileCompletion("file_1", options);
  await pass(ms);
  world.manager.stopAllPolling();
  return world.times;
}

describe("options", () => {
  useFakeTime();

  it("polls_at_once_then_after_1_2_5_and_10_seconds_while_all_is_well", async () => {
    expect(await timesOf({}, 40_000)).toEqual([0, 1_000, 3_000, 8_000, 18_000, 28_000, 38_000]);
  });

  it("maxDuration_ends_the_poll_at_its_very_millisecond", async () => {
    const world = new TestWorld(running);
    const result = world.manager.pollFileCompletion("file_1", { maxDuration: 12_345 });
    await pass(12_344);
    expect(world.manager.isPolling("file_1")).toBe(true);
    await pass(1);
    expect(await result).toMatchObject({ method: "timeout", duration: 12_345 });
    world.expectNothingLeft();
  });

  it("maxDuration_leaves_room_for_one_last_look", async () => {
    expect(await timesOf({ maxDuration: 17_000 }, 17_000)).toEqual([0, 1_000, 3_000, 8_000, 16_000]);
  });

  it("maxDuration_holds_by_the_clock_when_timers_stood_still", async () => {
    let skipped = 0;
    const world = new TestWorld(running, { now: () => Date.now() + skipped });
    const result = world.manager.pollFileCompletion("file_1");
    await pass(2_000);
    skipped = 3_600_000;
    world.page.wake();
    expect(await result).toMatchObject({ method: "timeout" });
    expect(world.requests).toHaveLength(2);
    world.expectNothingLeft();
  });

  it("maxDuration_may_be_endless", async () => {
    const times = await timesOf({ maxDuration: Infinity }, 3_600_000);
    expect(times.length).toBeGreaterThan(300);
    expect(times.length).toBeLessThan(400);
  });

  it("maxDuration_of_nothing_asks_once", async () => {
    expect(await timesOf({ maxDuration: 0 }, 10_000)).toEqual([0]);
  });

  it("initialInterval_is_the_first_wait_and_the_curve_goes_on_from_it", async () => {
    expect(await timesOf({ initialInterval: 2_000 }, 30_000)).toEqual([0, 2_000, 7_000, 17_000, 27_000]);
    expect(await timesOf({ initialInterval: 5_000 }, 30_000)).toEqual([0, 5_000, 15_000, 25_000]);
  });

  it("maxInterval_bounds_the_curve", async () => {
    expect(await timesOf({ maxInterval: 3_000 }, 12_000)).toEqual([0, 1_000, 3_000, 6_000, 9_000, 12_000]);
    expect(await timesOf({ maxInterval: 500 }, 1_500)).toEqual([0, 500, 1_000, 1_500]);
  });

  it("backoffMultiplier_multiplies_the_wait_by_each_error_in_a_row", async () => {
    const many = { maxConsecutiveErrors: 9 };
    expect(await timesOf(many, 40_000, broken)).toEqual([0, 2_000, 6_000, 14_000, 24_000, 34_000]);
    const tripled = { ...many, backoffMultiplier: 3 };
    expect(await timesOf(tripled, 33_000, broken)).toEqual([0, 3_000, 12_000, 22_000, 32_000]);
  });

  it("backoff_ends_with_the_first_answer_and_the_curve_goes_on_where_it_was", async () => {
    let index = 0;
    const times = await timesOf({}, 25_000, () => ([1, 2, 4].includes(index++) ? broken() : running()));
    expect(times).toEqual([0, 1_000, 3_000, 7_000, 9_000, 13_000, 18_000]);
  });

  it("backoff_is_spread_by_up_to_a_fifth", async () => {
    const world = new TestWorld(broken, { random: () => 0.5 });
    void world.manager.pollFileCompletion("file_1");
    await pass(6_600);
    expect(world.times).toEqual([0, 2_200, 6_600]);
    world.manager.stopAllPolling();
  });

  it.each([1, 3, 5])("maxConsecutiveErrors_gives_up_after_%i_in_a_row", async (limit) => {
    const world = new TestWorld(broken);
    const result = world.manager.pollFileCompletion("file_1", { maxConsecutiveErrors: limit });
    await pass(120_000);
    expect(await result).toMatchObject({
      success: false,
      attempts: limit,
      method: "error",
      error: expect.stringMatching(/^Too many consecutive errors: .*fetch failed/),
    });
    world.expectNothingLeft();
  });

  it("maxConsecutiveErrors_counts_only_errors_in_a_row", async () => {
    const world = new TestWorld((_, index) => (index % 2 === 0 ? broken() : running()));
    const result = world.manager.pollFileCompletion("file_1", { maxConsecutiveErrors: 2 });
    await pass(420_000);
    expect(await result).toMatchObject({ method: "timeout" });
  });

  it("onProgress_tells_the_attempt_the_time_and_the_next_interval", async () => {
    const onProgress = vi.fn();
    const world = new TestWorld(({ at }) => json(file(at >= 8_000 ? "completed" : "running")));
    void world.manager.pollFileCompletion("file_1", { onProgress });
    await pass(8_000);
    expect(onProgress.mock.calls).toEqual([[1, 0, 1_000], [2, 1_000, 2_000], [3, 3_000, 5_000]]);
  });

  it("onProgress_that_throws_ends_no_poll", async () => {
    const said = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const world = new TestWorld((_, index) => json(file(index === 2 ? "completed" : "running")));
    const result = world.manager.pollFileCompletion("file_1", {
      onProgress: () => {
        throw new Error("the page is gone");
      },
    });
    await pass(3_000);
    expect(await result).toMatchObject({ success: true });
    expect(said).toHaveBeenCalledTimes(2);
    said.mockRestore();
  });

  it("signal_ends_the_sleep", async () => {
    const world = new TestWorld(running);
    const controller = new AbortController();
    const result = world.manager.pollFileCompletion("file_1", { signal: controller.signal });
    await pass(500);
    controller.abort();
    expect(await result).toMatchObject({ success: false, method: "aborted", duration: 500, attempts: 1 });
    world.expectNothingLeft();
  });

  it("signal_ends_the_request", async () => {
    const world = new TestWorld(() => new Promise(() => undefined));
    const controller = new AbortController();
    const result = world.manager.pollFileCompletion("file_1", { signal: controller.signal });
    await pass(500);
    controller.abort();
    expect(await result).toMatchObject({ success: false, method: "aborted" });
    expect(world.requests[0]?.signal.aborted).toBe(true);
    await pass(0);
    world.expectNothingLeft();
  });

  it("signal_that_is_aborted_already_begins_nothing_and_replaces_nothing", async () => {
    const world = new TestWorld(running);
    const first = world.manager.pollFileCompletion("file_1");
    const result = world.manager.pollFileCompletion("file_1", { signal: AbortSignal.abort() });
    expect(await result).toMatchObject({ method: "aborted", attempts: 0 });
    expect(world.manager.isPolling("file_1")).toBe(true);
    expect(world.requests).toHaveLength(1);
    world.manager.stopAllPolling();
    expect(await first).toMatchObject({ method: "stopped" });
  });

  it("options_that_are_no_numbers_fall_back_to_the_defaults", async () => {
    const odd = { initialInterval: NaN, maxInterval: NaN, backoffMultiplier: NaN, maxDuration: NaN };
    expect(await timesOf(odd, 20_000)).toEqual([0, 1_000, 3_000, 8_000, 18_000]);
  });

  it("baseUrl_and_token_go_into_the_request_and_the_token_nowhere_else", async () => {
    const world = new TestWorld(() => problem(401));
    const options = { baseUrl: "https://jobs.example.com/", token: "secret" };
    const result = await world.manager.pollFileCompletion("a/b", options);
    expect(world.requests[0]?.url).toBe("https://jobs.example.com/api/file/a%2Fb");
    expect(world.requests[0]?.headers.get("authorization")).toBe("Bearer secret");
    expect(JSON.stringify(result)).not.toContain("secret");
  });

  it("a_manager_may_have_a_world_of_its_own", async () => {
    const world = new TestWorld(() => json(file("completed")), { baseUrl: "https://jobs.example.com", token: "mine" });
    await world.manager.pollFileCompletion("file_1");
    expect(world.requests[0]?.url).toBe("https://jobs.example.com/api/file/file_1");
    expect(world.requests[0]?.headers.get("authorization")).toBe("Bearer mine");
  });

  it("without_a_world_of_its_own_it_uses_the_globals_of_the_moment", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve(json(file("completed"))));
    const result = new SmartPollingManager().pollFileCompletion("file_1");
    expect(await result).toMatchObject({ success: true });
  });
});
