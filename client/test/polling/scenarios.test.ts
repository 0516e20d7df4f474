// The scenarios that the old system was tested by, under their own names.

import { describe, expect, it } from "vitest";

import { broken, file, hang, json, pass, problem, TestWorld, useFakeTime } from "./support.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** A server on which the file is there after so long. */
const readyAfter = (ms: number): TestWorld =>
  new TestWorld(({ at }) => json(file(at >= ms ? "completed" : "running")));

describe("the seven scenarios", () => {
  useFakeTime();

  it.each([1, 2, 5, 10, 20, 30])("Normal completion: 1-30 seconds (%i s)", async (seconds) => {
    const world = readyAfter(seconds * SECOND);
    const result = world.manager.pollFileCompletion("file_1");
    await pass(seconds * SECOND + 10 * SECOND);
    await expect(result).resolves.toMatchObject({
      success: true,
      method: "polling",
      data: { id: "file_1", url: "/api/artifacts/file_1/content" },
    });
    const { duration, attempts } = await result;
    expect(duration).toBeGreaterThanOrEqual(seconds * SECOND);
    expect(duration).toBeLessThanOrEqual(seconds * SECOND + 10 * SECOND);
    expect(attempts).toBe(world.requests.length);
    world.expectNothingLeft();
  });

  it.each([2, 3, 5])("Slow completion: 2-5 minutes (%i min)", async (minutes) => {
    const world = readyAfter(minutes * MINUTE);
    const result = world.manager.pollFileCompletion("file_1");
    await pass(minutes * MINUTE + 10 * SECOND);
    expect(await result).toMatchObject({ success: true, method: "polling" });
    world.expectNothingLeft();
  });

  it("Timeout scenario: Exactly 7 minutes → error", async () => {
    const world = readyAfter(Infinity);
    let settled = false;
    const result = world.manager.pollFileCompletion("file_1");
    void result.then(() => (settled = true));
    await pass(7 * MINUTE - 1);
    expect(settled).toBe(false);
    await pass(1);
    const ended = await result;
    expect(ended).toMatchObject({ success: false, method: "timeout", duration: 7 * MINUTE });
    expect(ended.error).toBe(`Polling timeout after 420 seconds (${ended.attempts} attempts)`);
    world.expectNothingLeft();
  });

  it("Timeout scenario: Exactly 7 minutes → error, when the request hangs", async () => {
    const world = new TestWorld(hang);
    const result = world.manager.pollFileCompletion("file_1");
    await pass(7 * MINUTE);
    expect(await result).toMatchObject({ success: false, method: "timeout", duration: 7 * MINUTE });
    expect(world.requests.every((seen) => seen.signal.aborted)).toBe(true);
    world.expectNothingLeft();
  });

  it("Rate limiting: HTTP 429 handling", async () => {
    const answers = [problem(429, { "retry-after": "30" }), problem(429), json(file("completed"))];
    const world = new TestWorld((_, index) => answers[index] ?? broken());
    const result = world.manager.pollFileCompletion("file_1");
    await pass(MINUTE);
    expect(await result).toMatchObject({ success: true, attempts: 3 });
    expect(world.times[1]).toBe(30 * SECOND);
    world.expectNothingLeft();
  });

  it("Server errors: 5xx error handling", async () => {
    const recovers = new TestWorld((_, index) => (index < 4 ? problem(500 + index) : json(file("completed"))));
    const good = recovers.manager.pollFileCompletion("file_1");
    await pass(MINUTE);
    expect(await good).toMatchObject({ success: true, attempts: 5 });

    const stays = new TestWorld(() => problem(503));
    const bad = stays.manager.pollFileCompletion("file_1");
    await pass(MINUTE);
    expect(await bad).toMatchObject({
      success: false,
      method: "error",
      attempts: 5,
      error: "Too many consecutive errors: no, 503",
    });
    stays.expectNothingLeft();
  });

  it("Network issues: Temporary connectivity problems", async () => {
    const world = new TestWorld((_, index) => (index % 3 === 1 ? broken() : json(file(index > 6 ? "completed" : "running"))));
    const result = world.manager.pollFileCompletion("file_1");
    await pass(2 * MINUTE);
    expect(await result).toMatchObject({ success: true, attempts: 9 });
    world.expectNothingLeft();
  });

  it("Duplicate polling: Prevention verification", async () => {
    const world = readyAfter(20 * SECOND);
    const first = world.manager.pollFileCompletion("file_1");
    await pass(4 * SECOND);
    const second = world.manager.pollFileCompletion("file_1");
    expect(await first).toMatchObject({ success: false, method: "replaced" });
    expect((await first).error).toContain("replaced");
    expect(world.manager.getPollingStatus()).toHaveLength(1);
    const before = world.requests.length;
    await pass(MINUTE);
    expect(await second).toMatchObject({ success: true, method: "polling" });
    expect((await second).attempts).toBe(world.requests.length - before + 1);
    expect(world.requests.every((seen) => seen.open === 1)).toBe(true);
    world.expectNothingLeft();
  });
});
