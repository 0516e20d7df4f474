// Credits: exact texts, and estimates that are the server's own.

import { expect, test } from "vitest";

import type { ModelCost } from "../../src/types.ts";
import { estimate, pricedInputs, priceWords } from "../../studio/estimate.ts";
import { costWords, creditsOf, microOf } from "../../studio/money.ts";

test("amounts are shown to the last digit, with two decimals at least", () => {
  expect([200_000, 3_000_000, 1, 12_345_000, 0, -500_000].map(creditsOf))
    .toEqual(["0.20", "3.00", "0.000001", "12.345", "0.00", "−0.50"]);
  expect(["0.20", "3", "0.000001", "12.345"].map(microOf)).toEqual([200_000, 3_000_000, 1, 12_345_000]);
});

test("credits are held until the end, then cost or given back", () => {
  expect(costWords({ what: "held", micro: 500_000 })).toBe("held 0.50 credits");
  expect(costWords({ what: "cost", micro: 281_250 })).toBe("cost 0.28125 credits");
  expect(costWords({ what: "released", micro: 500_000 })).toBe("nothing was charged");
  expect(costWords({ what: null, micro: 0 })).toBe("");
});

// The same cases as the server's own test of its estimates.
const byResolution: ModelCost = {
  by: { input: "resolution", otherwise: "720p", credits: { "720p": "0.10", "1080p": "0.150001" } },
  per: "second",
  seconds: { input: { name: "duration", otherwise: 5 } },
};

test("a price per second follows what is asked for", () => {
  expect(estimate(byResolution, {})).toBe(500_000);
  expect(estimate(byResolution, { duration: 8 })).toBe(800_000);
  expect(estimate(byResolution, { duration: "8s" })).toBe(800_000);
  expect(estimate(byResolution, { duration: 10, resolution: "1080p" })).toBe(1_500_010);
  expect(estimate(byResolution, { resolution: "8k" }), "the highest price is the bound").toBe(750_005);
});

test("a price per job does not look at the length, and one without a length at the most there can be", () => {
  expect(estimate({ per: "job", credits: "0.04" }, { duration: 10 })).toBe(40_000);
  expect(estimate({ per: "second", credits: "0.02", seconds: { at_most: 10 } }, {})).toBe(200_000);
});

test("a list shows the range of prices, and the form the inputs that decide", () => {
  expect(priceWords(byResolution)).toBe("0.10–0.150001 / s");
  expect(priceWords({ per: "job", credits: "0.04" })).toBe("0.04");
  expect(pricedInputs(byResolution)).toEqual(["resolution", "duration"]);
});
