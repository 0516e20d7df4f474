// A page that is hidden, comes back, or loses its network.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { realWorld } from "../../src/polling/world.ts";
import { file, hang, json, pass, problem, TestWorld, useFakeTime } from "./support.ts";

const running = (): Response => json(file("running"));

describe("a page", () => {
  useFakeTime();

  it("rests_while_it_is_hidden", async () => {
    const world = new TestWorld(running);
    void world.manager.pollFileCompletion("file_1");
    await pass(1_500);
    world.page.isHidden = true;
    await pass(150_000);
    expect(world.times).toEqual([0, 1_000, 61_000, 121_000]);
    world.manager.stopAllPolling();
  });

  it("polls_at_once_when_it_is_seen_again", async () => {
    const world = new TestWorld(running);
    void world.manager.pollFileCompletion("file_1");
    await pass(1_500);
    world.page.isHidden = true;
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
    world.page.isHidden = true;
    void world.manager.pollFileCompletion("file_1");
    await pass(30_000);
    world.page.wake();
    await pass(29_999);
    expect(world.times).toEqual([0]);
    await pass(1);
    expect(world.times).toEqual([0, 60_000]);
    world.manager.stopAllPolling();
  });

  it("wakes_no_sooner_than_the_server_allows", async () => {
    const world = new TestWorld((_, index) => (index === 0 ? problem(429, { "retry-after": "30" }) : running()));
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
    world.page.isHidden = true;
    const result = world.manager.pollFileCompletion("file_1", { maxDuration: 90_000 });
    await pass(90_000);
    expect(await result).toMatchObject({ method: "timeout", duration: 90_000 });
    world.expectNothingLeft();
  });
});

describe("the browser's page", () => {
  const { page } = realWorld;
  let shown: EventTarget & { visibilityState: string };
  let globals: EventTarget;

  beforeEach(() => {
    shown = Object.assign(new EventTarget(), { visibilityState: "visible" });
    globals = new EventTarget();
    vi.stubGlobal("document", shown);
    vi.stubGlobal("addEventListener", globals.addEventListener.bind(globals));
    vi.stubGlobal("removeEventListener", globals.removeEventListener.bind(globals));
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it("wakes_on_visibilitychange_online_and_pageshow_until_it_is_let_go", () => {
    const wake = vi.fn();
    const letGo = page.onWake(wake);
    shown.visibilityState = "hidden";
    shown.dispatchEvent(new Event("visibilitychange"));
    expect(wake).toHaveBeenCalledTimes(0);
    shown.visibilityState = "visible";
    shown.dispatchEvent(new Event("visibilitychange"));
    globals.dispatchEvent(new Event("online"));
    globals.dispatchEvent(new Event("pageshow"));
    expect(wake).toHaveBeenCalledTimes(3);
    letGo();
    shown.dispatchEvent(new Event("visibilitychange"));
    globals.dispatchEvent(new Event("online"));
    globals.dispatchEvent(new Event("pageshow"));
    expect(wake).toHaveBeenCalledTimes(3);
  });

  it("is_hidden_and_offline_as_the_browser_says", () => {
    expect(page.hidden()).toBe(false);
    shown.visibilityState = "hidden";
    expect(page.hidden()).toBe(true);
    vi.stubGlobal("navigator", { onLine: false });
    expect(page.online()).toBe(false);
    vi.stubGlobal("navigator", { onLine: true });
    expect(page.online()).toBe(true);
  });

  it("is_never_hidden_where_there_is_none", () => {
    vi.unstubAllGlobals();
    expect(page.hidden()).toBe(false);
    expect(page.online()).toBe(true);
    const letGo = page.onWake(() => undefined);
    letGo();
  });
});
