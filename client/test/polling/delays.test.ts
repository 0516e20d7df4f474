// The two delays that everything in the client waits by.

import { describe, expect, it } from "vitest";

import { fullJitter } from "../../src/backoff.ts";
import { parseRetryAfter } from "../../src/retry-after.ts";

const NOW = Date.UTC(1994, 10, 6, 8, 49, 0);

describe("Retry-After", () => {
  it.each([
    ["0", 0],
    ["7", 7_000],
    [" 120 ", 120_000],
    ["86400", 300_000],
    ["99999999999999999999", 300_000],
    ["Sun, 06 Nov 1994 08:49:37 GMT", 37_000],
    ["Sunday, 06-Nov-94 08:49:37 GMT", 37_000],
    ["Sun Nov  6 08:49:37 1994", 37_000],
    ["Sun, 06 Nov 1994 08:00:00 GMT", 0],
    ["Sun, 06 Nov 1994 18:00:00 GMT", 300_000],
    ["", null],
    ["1.5", null],
    ["-3", null],
    ["soon", null],
    ["Sun, tomorrow", null],
    ["1994-11-06T08:49:37Z", null],
    [null, null],
    [undefined, null],
  ])("%j is read as %j", (value, expected) => {
    expect(parseRetryAfter(value, NOW)).toBe(expected);
  });
});

describe("full jitter", () => {
  it("draws_from_nothing_to_the_doubled_base", () => {
    const highest = [0, 1, 2, 3].map((failures) => fullJitter(failures, 500, 30_000, () => 1));
    expect(highest).toEqual([500, 1_000, 2_000, 4_000]);
    expect(fullJitter(3, 500, 30_000, () => 0)).toBe(0);
  });

  it("caps_before_it_draws_so_that_long_waits_still_differ", () => {
    expect(fullJitter(20, 500, 30_000, () => 0.25)).toBe(7_500);
    expect(fullJitter(20, 500, 30_000, () => 0.5)).toBe(15_000);
  });

  it("survives_an_endless_outage", () => {
    expect(fullJitter(5_000, 500, 30_000, () => 1)).toBe(30_000);
    expect(fullJitter(5_000, 0, 30_000, () => 1)).toBe(0);
  });
});
