// A page that is hidden, comes back, or loses its network.

import { describe, expect, it, vi } from "vitest";

import { SmartPollingManager } from "../../src/polling/index.ts";
import { realWorld } from "../../src/polling/world.ts";
import { file, hang, json, pass, problem, TestWorld, useFakeTime } from "./support.ts";

const running = (): Response => json(file("running"));

describe("a page", () => {
  useFakeTime();

  it("rests_while_it_is_hidden", async () => {
    const world = new TestWorld(running);
    void world.manager.pollFileCompletion("file_1");
    await pass(1_500);
    world.page.hidden = true;
    await pass(150_000);
    expect(world.times).toEqual([0, 1_000, 61_000, 121_000]);
    world.manager.stopAllPolling();
  });

  it("polls_at_once_when_it_is_seen_again", async () => {
    const world = new TestWorld(running);
    void world.manager.pollFileCompletion("file_1");
    await pass(1_500);
    world.page.hidden = true;
    await pass(20_000);
    world.page.show();
    await pass(0);
    expect(world.times).toEqual([0, 1_000, 21_500]);
    world.manager.stopAllPolling();
  });

  it("polls_at_once_when_the_network_is_back", async () => {
    const world = new TestWorld(running);
    void world.manager.pollFileCompletion("file_1");
    await pass(12_000);
    world.page.wake();
    await pass(0);
    expect(world.times).toEqual([0, 1_000, 3_000, 8_000, 12_000]);
    world.manager.stopAllPolling();
  });

  it("stays_at_rest_when_the_network_comes_back_to_a_hidden_page", async () => {
    const world = new TestWorld(running);
    world.page.hidden = true;
    void world.manager.pollFileCompletion("file_1");
    await pass(30_000);
    world.page.wake();
    await pass(29_999);
    expect(world.times).toEqual([0]);
    await pass(1);
    expect(world.times).toEqual([0, 60_000]);
    world.manager.stopAllPolling();
  });

  it.each([
    ["a_rate_limit", () => problem(429, { "retry-after": "30" })],
    ["a_hint", () => json(file("running", { poll_after_ms: 30_000 }))],
  ])("wakes_no_sooner_than_the_server_allows_by_%s", async (_, answer) => {
    const world = new TestWorld((_, index) => (index === 0 ? answer() : running()));
    void world.manager.pollFileCompletion("file_1");
    await pass(10_000);
    world.page.wake();
    await pass(19_999);
    expect(world.times).toEqual([0]);
    await pass(1);
    expect(world.times).toEqual([0, 30_000]);
    world.manager.stopAllPolling();
  });

  it("gives_up_a_request_that_was_under_way_before_it_slept", async () => {
    const world = new TestWorld((_, index) => (index === 0 ? hang() : json(file("completed"))));
    const result = world.manager.pollFileCompletion("file_1", { maxConsecutiveErrors: 1 });
    await pass(4_000);
    world.page.wake();
    await pass(0);
    expect(world.requests).toHaveLength(1);
    await pass(4_000);
    world.page.wake();
    expect(await result).toMatchObject({ success: true, duration: 8_000 });
    expect(world.requests[0]?.signal.aborted).toBe(true);
    world.expectNothingLeft();
  });

  it("still_times_out_while_it_is_hidden", async () => {
    const world = new TestWorld(running);
    world.page.hidden = true;
    const result = world.manager.pollFileCompletion("file_1", { maxDuration: 90_000 });
    await pass(90_000);
    expect(await result).toMatchObject({ method: "timeout", duration: 90_000 });
    world.expectNothingLeft();
  });
});

describe("the browser's page", () => {
  it("is_offline_as_the_browser_says", () => {
    vi.stubGlobal("navigator", { onLine: false });
    expect(realWorld.isOnline()).toBe(false);
    vi.stubGlobal("navigator", { onLine: true });
    expect(realWorld.isOnline()).toBe(true);
    vi.stubGlobal("navigator", undefined);
    expect(realWorld.isOnline()).toBe(true);
  });

  it("wakes_a_poll_when_it_is_shown_again", async () => {
    vi.useFakeTimers();
    const shown = Object.assign(new EventTarget(), { visibilityState: "hidden" });
    const globals = new EventTarget();
    vi.stubGlobal("document", shown);
    vi.stubGlobal("addEventListener", globals.addEventListener.bind(globals));
    vi.stubGlobal("removeEventListener", globals.removeEventListener.bind(globals));
    let polls = 0;
    const manager = new SmartPollingManager();
    void manager.startPolling("mine", () => ({ completed: ++polls > 3 }));
    await pass(59_999);
    expect(polls).toBe(1);
    shown.visibilityState = "visible";
    shown.dispatchEvent(new Event("visibilitychange"));
    await pass(0);
    expect(polls).toBe(2);
    for (const name of ["online", "pageshow"]) {
      globals.dispatchEvent(new Event(name));
      await pass(0);
    }
    expect(polls).toBe(4);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
});
