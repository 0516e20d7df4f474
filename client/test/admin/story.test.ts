// A job's story: its entries in order, its lanes, and where things stand on the time line.

import { expect, test } from "vitest";

import { scaleOf, ticksOf } from "../../admin/scale.ts";
import { countsOf, inOrder, laneOf, marksOf, withEntry } from "../../admin/story.ts";
import type { Story } from "../../admin/story.ts";
import { mergedMarks } from "../../admin/time-line.ts";
import { entry, storyJob } from "./samples.ts";

const told = (...entries: readonly ReturnType<typeof entry>[]): Story => entries.reduce(withEntry, new Map());

test("a newer entry takes the place of the older one with its key", () => {
  const story = told(entry({ key: "poll", at: 5, times: 1 }), entry({ key: "submit", at: 1 }), entry({ key: "poll", at: 5, times: 9 }));
  expect(inOrder(story).map(({ key, times }) => [key, times])).toEqual([["submit", 1], ["poll", 9]]);
  expect(countsOf(inOrder(story))).toEqual(new Map([["events", 2]]));
  expect(laneOf({ kind: "read" })).toBe("readers");
});

test("a job waits from its submit to its lease, and again after a requeue", () => {
  const waits = (...args: Parameters<typeof marksOf>) => marksOf(...args).filter(({ kind }) => kind === "wait").map(({ from, to }) => [from, to]);
  const job = storyJob({ created_at: 1_000, started_at: 2_000 });
  const first = entry({ key: "l1", kind: "lease", at: 2_000, until_at: 5_000 });
  expect(waits(job, [first], 9_000)).toEqual([[1_000, 2_000]]);
  expect(waits(job, [first, entry({ key: "l2", kind: "lease", at: 7_000 })], 9_000)).toEqual([[1_000, 2_000], [5_000, 7_000]]);
  expect(waits({ ...job, status: "pending" }, [first], 9_000)).toEqual([[1_000, 2_000], [5_000, 9_000]]);
  expect(waits({ ...job, status: "pending", started_at: null }, [], 9_000)).toEqual([[1_000, 9_000]]);
  expect(waits({ ...job, status: "canceled", started_at: null, ended_at: 4_000 }, [], 9_000)).toEqual([[1_000, 4_000]]);
});

test("a lease goes on until the next one, the end, or now", () => {
  const leases = (...args: Parameters<typeof marksOf>) => marksOf(...args).filter(({ kind }) => kind === "lease").map(({ to }) => to);
  const two = [entry({ key: "l1", kind: "lease", at: 2_000 }), entry({ key: "l2", kind: "lease", at: 7_000 })];
  expect(leases(storyJob(), two, 9_000)).toEqual([7_000, 9_000]);
  expect(leases(storyJob({ status: "completed", ended_at: 8_000 }), two, 9_000)).toEqual([7_000, 8_000]);
});

const handBack = (over: Parameters<typeof entry>[0]) => entry({ kind: "note", title: "handed back to the queue", ...over });
const status = (key: string, at: number, said: string) => entry({ key, at, data: { status: said, attempt: 1 } });

test("a lease ends where the job is handed back, and the wait after it at the next lease", () => {
  const drawn = (kind: string, ...args: Parameters<typeof marksOf>) => marksOf(...args).filter((mark) => mark.kind === kind).map(({ from, to }) => [from, to]);
  const first = entry({ key: "l1", kind: "lease", at: 2_000 });
  const second = entry({ key: "l2", kind: "lease", at: 7_000 });
  const asked = entry({ key: "n1", kind: "note", title: "put back into the queue by the operator", at: 4_500 });
  const story = [first, asked, handBack({ key: "n2", at: 5_000 }), second];
  expect(drawn("wait", storyJob(), story, 9_000)).toEqual([[1_000, 2_000], [5_000, 7_000]]);
  expect(marksOf(storyJob(), story, 9_000).filter(({ lane, to }) => lane === "worker" && to !== null).map(({ from, to }) => [from, to]))
    .toEqual([[2_000, 5_000], [7_000, 9_000]]);
  const waiting = storyJob({ status: "pending" });
  expect(drawn("wait", waiting, [first, handBack({ key: "n2", at: 5_000 })], 9_000)).toEqual([[1_000, 2_000], [5_000, 9_000]]);
  expect(drawn("wait", { ...waiting, status: "canceled", ended_at: 6_000 }, [first, handBack({ key: "n2", at: 5_000 })], 9_000)).toEqual([[1_000, 2_000], [5_000, 6_000]]);
  expect(drawn("wait", { ...waiting, status: "completed", ended_at: 8_000 }, [first], 9_000)).toEqual([[1_000, 2_000]]);
});

test("two hand-backs that are told as one note end two leases", () => {
  const story = [
    entry({ key: "l1", kind: "lease", at: 2_000 }), handBack({ key: "n1", at: 3_000, until_at: 6_000, times: 2 }), entry({ key: "l2", kind: "lease", at: 5_000 }),
  ];
  const marks = marksOf(storyJob({ status: "pending" }), story, 9_000);
  expect(marks.filter(({ kind }) => kind === "lease").map(({ to }) => to)).toEqual([3_000, 6_000]);
  expect(marks.filter(({ kind }) => kind === "wait").map(({ from, to }) => [from, to])).toEqual([[1_000, 2_000], [3_000, 5_000], [6_000, 9_000]]);
});

test("where other processes took the job, its status events say when it waited", () => {
  const story = [status("e1", 1_001, "pending"), status("e2", 2_000, "running"), status("e3", 5_000, "pending"), status("e4", 7_000, "running")];
  const waits = (entries: typeof story) => marksOf(storyJob(), entries, 9_000).filter(({ kind }) => kind === "wait").map(({ from, to }) => [from, to]);
  expect(waits(story)).toEqual([[1_000, 2_000], [5_000, 7_000]]);
  // What this process notes of the same moments does not make them two.
  const both = [...story, entry({ key: "l1", kind: "lease", at: 1_998 }), handBack({ key: "n1", at: 4_999 }), entry({ key: "l2", kind: "lease", at: 6_998 })];
  expect(waits(inOrder(told(...both)))).toEqual([[1_000, 1_998], [4_999, 6_998]]);
  expect(marksOf(storyJob(), both, 9_000).filter(({ kind }) => kind === "lease").map(({ to }) => to)).toEqual([4_999, 9_000]);
});

test("a silence of more than half a minute is drawn where something should happen", () => {
  const silences = marksOf(storyJob({ last_sign_ms: 40_000 }), [], 100_000).filter(({ kind }) => kind === "silence");
  expect(silences.map(({ lane, from, to }) => [lane, from, to])).toEqual([["provider", 60_000, 100_000], ["events", 60_000, 100_000]]);
  expect(marksOf(storyJob({ last_sign_ms: 20_000 }), [], 100_000).some(({ kind }) => kind === "silence")).toBe(false);
});

test("a short job is to scale; of a long one what is empty is drawn shorter", () => {
  const short = scaleOf([0, 100, 200, 9_000], 0, 10_000);
  expect(short.breaks).toEqual([]);
  expect([0, 5_000, 10_000, 99_999].map((at) => short.at(at))).toEqual([0, 0.5, 1, 1]);
  const hour = 3_600_000;
  const long = scaleOf([0, 1_000, 2_000, hour, hour + 1_000], 0, hour + 2_000);
  expect(long.breaks).toHaveLength(1);
  expect(long.breaks[0]).toMatchObject({ from: 2_000, to: hour });
  expect(long.at(2_000)).toBeCloseTo(0.42);
  expect(long.at(hour) - long.at(2_000)).toBeCloseTo(0.16);
  expect(long.at(hour + 2_000)).toBeCloseTo(1);
  // Whatever comes later stands further right.
  const places = [0, 500, 2_000, 900_000, hour, hour + 1_500].map((at) => long.at(at));
  expect([...places].sort((left, right) => left - right)).toEqual(places);
});

test("labels of the line keep their distance, and none hangs over its end", () => {
  for (const [moments, to] of [[[], 7_000], [[1_000, 2_000, 3_600_000], 3_601_000], [[], 0]] as const) {
    const ticks = ticksOf(scaleOf([...moments], 0, to), 0.13);
    const gaps = ticks.slice(1).map(({ left }, index) => left - (ticks[index]?.left ?? 0));
    expect(gaps.every((gap) => gap >= 0.13 - 1e-9)).toBe(true);
    expect(ticks.every(({ left }) => left <= 0.87)).toBe(true);
  }
});

test("moments that cannot be told apart are one mark, the worst of them", () => {
  const entries = [entry({ key: "a", at: 1_000 }), entry({ key: "b", at: 1_010, level: "error", title: "no" }), entry({ key: "c", at: 60_000 })];
  const marks = marksOf(storyJob(), entries, 100_000).filter(({ lane }) => lane === "events");
  const placed = mergedMarks(marks, scaleOf([], 1_000, 100_000));
  expect(placed.map(({ key, more }) => [key, more])).toEqual([["b", 1], ["c", 0]]);
});
