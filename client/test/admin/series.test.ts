// Five minutes of a figure, and its line.

import { expect, test } from "vitest";

import { draw, KEPT_MS, largest, withSample } from "../../admin/series.ts";
import type { Sample } from "../../admin/series.ts";

const samples = (...values: readonly (readonly [number, number | null])[]): readonly Sample[] => (
  values.reduce<readonly Sample[]>((series, [at, value]) => withSample(series, { at, value }), [])
);

test("five minutes are kept, and a clock that was put back forgets what is later", () => {
  const series = samples([0, 1], [1_000, 2], [KEPT_MS, 3], [KEPT_MS + 1_000, 4]);
  expect(series.map(({ value }) => value)).toEqual([2, 3, 4]);
  expect(withSample(series, { at: 500, value: 9 })).toEqual([{ at: 500, value: 9 }]);
  expect(largest(series)).toBe(4);
  expect(largest([])).toBe(0);
});

test("the right edge is now, the top is the largest value or what was said", () => {
  const { line, area } = draw(samples([KEPT_MS - 2_000, 0], [KEPT_MS - 1_000, 5], [KEPT_MS, 10]), KEPT_MS, 300, 32);
  expect(line).toBe("M298 31L299 16L300 1");
  expect(area).toBe("M298 32L298 31L299 16L300 1L300 32Z");
  expect(draw(samples([0, 5]), 0, 300, 32, 10).line).toBe("M300 16h.1");
});

test("where the stream was broken, or there was no value, the line has a hole", () => {
  const broken = samples([0, 1], [1_000, 1], [9_000, 1], [10_000, null], [11_000, 1]);
  expect(draw(broken, 11_000, 300, 32).line.match(/M/g)).toHaveLength(3);
  expect(draw([], 0, 300, 32)).toEqual({ line: "", area: "" });
});
