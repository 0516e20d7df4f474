// Polls over HTTP: the server's hints, entity tags, and requests that the server holds.

import { describe, expect, it } from "vitest";

import { broken, file, hang, HoldingServer, json, pass, problem, TestWorld, useFakeTime } from "./support.ts";

const running = (headers: Record<string, string> = {}, more: object = {}): Response => json(file("running", more), headers);

/** Whether each request asked to be held, and for how many seconds. */
const waits = (world: TestWorld): (string | null)[] =>
  world.requests.map(({ url }) => new URL(url, "http://server").searchParams.get("wait"));

/** A server that knows tags, and at which only requests that are to be held go wrong. */
const refusing = (answer: () => Response | Error | Promise<never>): TestWorld =>
  new TestWorld(({ url, at }) => {
    if (url.includes("wait=")) return answer();
    return at >= 60_000 ? json(file("completed")) : running({ etag: '"1"' });
  });

describe("hints", () => {
  useFakeTime();

  it("poll_after_ms_is_a_floor_of_the_next_wait", async () => {
    const world = new TestWorld(() => running({}, { poll_after_ms: 7_000 }));
    void world.manager.pollFileCompletion("file_1");
    await pass(31_000);
    expect(world.times).toEqual([0, 7_000, 14_000, 21_000, 31_000]);
    world.manager.stopAllPolling();
  });

  it("Retry_After_of_a_good_answer_is_a_floor_as_well_and_the_body_is_more_exact", async () => {
    const world = new TestWorld((_, index) => running({ "retry-after": "4" }, index === 0 ? {} : { poll_after_ms: 2_500 }));
    void world.manager.pollFileCompletion("file_1");
    await pass(6_500);
    expect(world.times).toEqual([0, 4_000, 6_500]);
    world.manager.stopAllPolling();
  });

  it("a_hint_below_the_curve_does_not_hurry_it", async () => {
    const world = new TestWorld(() => running({}, { poll_after_ms: 200 }));
    void world.manager.pollFileCompletion("file_1");
    await pass(8_000);
    expect(world.times).toEqual([0, 1_000, 3_000, 8_000]);
    world.manager.stopAllPolling();
  });

  it("a_hint_is_obeyed_for_five_minutes_at_most", async () => {
    const world = new TestWorld(() => running({}, { poll_after_ms: 86_400_000 }));
    void world.manager.pollFileCompletion("file_1");
    await pass(300_000);
    expect(world.times).toEqual([0, 300_000]);
    world.manager.stopAllPolling();
  });

  it("two_clients_with_the_same_hints_do_not_align", async () => {
    const draws = [0.1, 0.9, 0.4, 0.7, 0.2, 0.6, 0.5, 0.3];
    const clients = [0, 1].map((first) => {
      let next = first;
      return new TestWorld(() => running({ "retry-after": "3" }), { random: () => draws[next++ % draws.length] ?? 0 });
    });
    for (const { manager } of clients) void manager.pollFileCompletion("file_1");
    await pass(120_000);
    const [left, right] = clients.map(({ times }) => new Set(times.slice(1)));
    expect(left?.size).toBeGreaterThan(9);
    expect([...(left ?? [])].filter((at) => right?.has(at))).toEqual([]);
    for (const { times, manager } of clients) {
      const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(3_000);
      expect(Math.max(...gaps)).toBeLessThanOrEqual(12_000);
      manager.stopAllPolling();
    }
  });
});

describe("entity tags", () => {
  useFakeTime();

  it("the_tag_is_sent_back_and_304_is_nothing_new", async () => {
    const world = new TestWorld(({ headers, at }) => {
      if (at >= 3_000) return json(file("completed"), { etag: '"2"' });
      return headers.get("if-none-match") === 'W/"1"' ? new Response(null, { status: 304 }) : running({ etag: 'W/"1"' });
    });
    const result = world.manager.pollFileCompletion("file_1");
    await pass(3_000);
    expect(await result).toMatchObject({ success: true, attempts: 3 });
    expect(world.requests.map(({ headers }) => headers.get("if-none-match"))).toEqual([null, 'W/"1"', 'W/"1"']);
  });

  it("the_hint_of_a_304_counts_too", async () => {
    const world = new TestWorld((_, index) =>
      index === 0 ? running({ etag: '"1"' }) : new Response(null, { status: 304, headers: { "retry-after": "6" } }));
    void world.manager.pollFileCompletion("file_1");
    await pass(7_000);
    expect(world.times).toEqual([0, 1_000, 7_000]);
    world.manager.stopAllPolling();
  });

  it("an_end_that_was_lost_is_asked_for_again_whole", async () => {
    const bodies: ReadableStreamDefaultController<Uint8Array>[] = [];
    const slow = (): Response =>
      new Response(new ReadableStream({ start: (body) => void bodies.push(body) }), { headers: { etag: '"2"' } });
    const answers = [() => running({ etag: '"1"' }), slow, () => problem(503)];
    const world = new TestWorld(({ headers }, index) => {
      if (headers.get("if-none-match") === '"2"') return new Response(null, { status: 304 });
      return (answers[index] ?? (() => json(file("completed"), { etag: '"2"' })))();
    });
    const result = world.manager.pollFileCompletion("file_1");
    await pass(1_000);
    await pass(6_000);
    world.page.wake();
    bodies[0]?.enqueue(new TextEncoder().encode(JSON.stringify(file("completed"))));
    bodies[0]?.close();
    await pass(10_000);
    expect(await result).toMatchObject({ success: true, attempts: 4 });
  });
});

describe("requests that the server holds", () => {
  useFakeTime();

  it("the_end_is_known_the_moment_it_comes", async () => {
    const server = new HoldingServer({ changes: [], end: 15_300 });
    const world = new TestWorld(server.handler);
    const result = world.manager.pollFileCompletion("file_1");
    await pass(15_300);
    expect(await result).toMatchObject({ success: true, duration: 15_300, attempts: 2 });
    expect(waits(world)).toEqual([null, "20"]);
    world.expectNothingLeft();
  });

  it("time_that_a_request_was_held_counts_as_waited", async () => {
    const server = new HoldingServer({ changes: [1_500, 4_000, 9_000], end: 60_000 });
    const world = new TestWorld(server.handler);
    const result = world.manager.pollFileCompletion("file_1");
    await pass(60_000);
    expect(await result).toMatchObject({ success: true, duration: 60_000 });
    expect(world.times).toEqual([0, 1_000, 3_000, 8_000, 18_000, 38_000, 58_000]);
  });

  it("no_request_is_held_beyond_the_poll's_time", async () => {
    const server = new HoldingServer({ changes: [], end: Infinity });
    const world = new TestWorld(server.handler);
    const result = world.manager.pollFileCompletion("file_1", { maxDuration: 30_000 });
    await pass(30_000);
    expect(await result).toMatchObject({ method: "timeout", duration: 30_000 });
    expect(waits(world)).toEqual([null, "20", "8", null]);
  });

  it("nothing_is_held_in_the_poll's_last_second", async () => {
    const server = new HoldingServer({ changes: [], end: Infinity });
    const world = new TestWorld(server.handler);
    void world.manager.pollFileCompletion("file_1", { maxDuration: 1_500 });
    await pass(1_500);
    expect(waits(world)).toEqual([null, null]);
  });

  it("400_to_a_wait_falls_back_to_plain_polls_at_once_and_for_good", async () => {
    const world = refusing(() => problem(400));
    const result = world.manager.pollFileCompletion("file_1", { maxConsecutiveErrors: 1 });
    await pass(70_000);
    expect(await result).toMatchObject({ success: true });
    expect(waits(world).filter((wait) => wait !== null)).toHaveLength(1);
    expect(world.times.slice(0, 4)).toEqual([0, 1_000, 1_000, 3_000]);
  });

  it.each([
    ["breaks", broken],
    ["answers 504", () => problem(504)],
    ["breaks the answer off", () => new Response('{"id":')],
  ])("a_proxy_that_%s_falls_back_to_plain_polls_without_an_error", async (_, answer) => {
    const world = refusing(answer);
    const result = world.manager.pollFileCompletion("file_1", { maxConsecutiveErrors: 1 });
    await pass(70_000);
    expect(await result).toMatchObject({ success: true });
    expect(waits(world).filter((wait) => wait !== null)).toHaveLength(2);
  });

  it("a_proxy_that_swallows_what_is_held_falls_back_to_plain_polls", async () => {
    const world = refusing(hang);
    const result = world.manager.pollFileCompletion("file_1", { maxConsecutiveErrors: 1 });
    await pass(200_000);
    expect(await result).toMatchObject({ success: true });
    expect(waits(world).filter((wait) => wait !== null)).toHaveLength(2);
  });

  it.each([401, 429])("%i_to_a_wait_is_what_it_is_to_any_poll", async (status) => {
    const world = refusing(() => problem(status, { "retry-after": "30" }));
    const result = world.manager.pollFileCompletion("file_1");
    await pass(1_000);
    expect(waits(world)).toEqual([null, "20"]);
    if (status === 401) expect(await result).toMatchObject({ method: "error", error: "no, 401" });
    else expect(world.manager.getPollingStatus()[0]?.lastError).toBe("no, 429");
    world.manager.stopAllPolling();
  });
});
