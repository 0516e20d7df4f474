// The tabs of an origin, sharing one connection.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Origin, type Tab } from "./origin.ts";

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

const settle = (ms = 200): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

test("ten tabs with a job each have one connection", async () => {
  const origin = new Origin();
  const seen = Array.from({ length: 10 }, (_, at) => origin.tab().watch(`job_${at}`));
  await settle();
  for (let at = 0; at < 10; at += 1) origin.append(`job_${at}`);
  await settle();
  expect(origin.open).toBe(1);
  expect(seen.map(({ ids }) => ids)).toEqual(Array.from({ length: 10 }, (_, at) => [at + 1]));
  expect(seen.every(({ watcher }) => watcher.state.phase === "live" && watcher.state.shared)).toBe(true);
});

test("a tab that comes later gets the whole job, and the others nothing twice", async () => {
  const origin = new Origin();
  const first = origin.tab().watch("job_1");
  await settle();
  origin.append("job_1");
  origin.append("job_1");
  await settle();
  const late = origin.tab().watch("job_1");
  origin.append("job_1");
  await settle();
  origin.append("job_1");
  await settle();
  expect([first.ids, late.ids]).toEqual([[1, 2, 3, 4], [1, 2, 3, 4]]);
});

test("a tab with another job that comes later is told how the connection is", async () => {
  const origin = new Origin();
  origin.tab().watch("job_1");
  await settle();
  const late = origin.tab().watch("job_2");
  await settle();
  expect(late.watcher.state).toMatchObject({ phase: "live", shared: true });
});

test("what comes while a tab is brought up to date does not move it past what it has not seen", async () => {
  const origin = new Origin();
  origin.tab().watch("job_1");
  await settle();
  for (let count = 0; count < 5; count += 1) origin.append("job_1");
  await settle();
  const late = origin.tab().watch("job_1");
  for (let count = 0; count < 60; count += 1) {
    origin.append("job_1");
    await settle(1);
  }
  await settle();
  expect(late.ids).toEqual(origin.ids("job_1"));
});

test("when the leading tab closes another one leads, from where each tab is", async () => {
  const origin = new Origin();
  const leader = origin.tab();
  leader.watch("job_1");
  const other = origin.tab().watch("job_2");
  const third = origin.tab().watch("job_1");
  await settle();
  expect(leader.hub.leads).toBe(true);
  origin.append("job_1");
  origin.append("job_2");
  await settle();
  leader.close();
  origin.append("job_2");
  origin.append("job_1");
  await settle();
  expect([origin.open, other.ids, third.ids]).toEqual([1, [2, 3], [1, 4]]);
});

test("a leader that froze loses the lead to a tab that does not hear it", async () => {
  const origin = new Origin();
  const leader = origin.tab();
  leader.watch("job_1");
  const other = origin.tab();
  const { ids } = other.watch("job_1");
  await settle();
  origin.append("job_1");
  await settle();
  leader.freeze();
  origin.append("job_1");
  await settle(13_000);
  expect([other.hub.leads, leader.hub.leads, ids]).toEqual([true, false, [1, 2]]);
});

test("a job that does not exist ends its own watch and no other one", async () => {
  const origin = new Origin();
  const good = origin.tab().watch("job_1");
  const bad = origin.tab().watch("gone_1");
  await settle();
  origin.append("job_1");
  await settle(4_000);
  await expect(bad.watcher.done).rejects.toMatchObject({ code: "unknown_job", status: 404 });
  expect([good.ids, good.watcher.state.phase]).toEqual([[1], "live"]);
});

test("a job that ends lets its tabs go, and the last one the connection", async () => {
  const origin = new Origin();
  const first = origin.tab().watch("job_1");
  const second = origin.tab().watch("job_2");
  await settle();
  origin.append("job_1", "completed");
  await settle();
  expect([first.watcher.state.phase, second.watcher.state.phase, origin.open]).toEqual(["ended", "live", 1]);
  origin.append("job_2", "failed");
  await settle();
  expect([second.watcher.state.phase, origin.open, vi.getTimerCount()]).toEqual(["ended", 0, 0]);
});

test("a tab that has a job to its end is told so while others go on", async () => {
  const origin = new Origin();
  const end = origin.append("job_1", "completed");
  const other = origin.tab().watch("job_2");
  const late = origin.tab().watch("job_1", end);
  await settle();
  origin.append("job_2");
  await settle();
  expect(await late.watcher.done).toMatchObject({ type: "completed" });
  expect([late.ids, late.watcher.state.phase, other.ids, other.watcher.state.phase]).toEqual([[], "ended", [2], "live"]);
});

test("a hundred and fifty jobs take two connections", async () => {
  const origin = new Origin();
  const tab = origin.tab();
  const seen = Array.from({ length: 150 }, (_, at) => tab.watch(`job_${at}`));
  await settle();
  for (let at = 0; at < 150; at += 1) origin.append(`job_${at}`);
  await settle();
  expect(origin.open).toBe(2);
  expect(seen.every(({ ids }, at) => ids.length === 1 && ids[0] === at + 1)).toBe(true);
});

test("a tab that died without a word is forgotten", async () => {
  const origin = new Origin();
  origin.tab().watch("job_1");
  const dead = origin.tab();
  dead.watch("job_2");
  await settle();
  dead.freeze();
  await settle(200_000);
  origin.cut();
  await settle(5_000);
  expect(origin.streams.at(-1)?.searchParams.get("job")).toBe("job_1@0");
});

/** A small generator with a seed, so that a failure can be repeated. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("whatever tabs and connections do, each tab sees each job's events once and in order", async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const origin = new Origin();
    const random = generator(seed);
    const tabs: { tab: Tab; job: string; after: number; ids: number[] }[] = [];
    const closed = new Set<Tab>();
    for (let turn = 0; turn < 80; turn += 1) {
      const job = `job_${random(4)}`;
      const what = random(12);
      if (what < 2) {
        const tab = origin.tab();
        const known = origin.ids(job);
        const after = known[random(known.length + 1)] ?? 0;
        tabs.push({ tab, job, after, ...tab.watch(job, after) });
      } else if (what === 2 && tabs.length > 0) {
        const { tab } = tabs[random(tabs.length)] ?? { tab: undefined };
        tab?.close();
        if (tab !== undefined) closed.add(tab);
      } else if (what === 3) origin.cut();
      else origin.append(job);
      await settle(random(40));
    }
    await settle(60_000);
    for (const { tab, job, after, ids } of tabs) {
      const due = origin.ids(job).filter((id) => id > after);
      const wanted = closed.has(tab) ? due.slice(0, ids.length) : due;
      expect(ids, `seed ${seed}, ${job} after ${after}`).toEqual(wanted);
    }
    for (const { tab } of tabs) tab.close();
  }
});
