// Figures, jobs, keys and webhooks as an operator reads them.
//
// @vitest-environment happy-dom

import { expect, test } from "vitest";

import { questionOf } from "../../admin/actions.ts";
import { bytes, count, memoryOf, percent, several, short, span } from "../../admin/amounts.ts";
import { amountOf } from "../../admin/credits.ts";
import { deliveryWords } from "../../admin/deliveries.ts";
import { isSuspicious, silenceOf, standing } from "../../admin/job-words.ts";
import { keyState, keyWords, wantedKey } from "../../admin/keys.ts";
import { problemWords } from "../../admin/problems.ts";
import { lastMinute, providerWords, withTotals } from "../../admin/rates.ts";
import type { Rates } from "../../admin/rates.ts";
import { readingWords } from "../../admin/readers.ts";
import { TILES } from "../../admin/tiles.ts";
import { TailwaterError } from "../../src/errors.ts";
import { figures, job, lane, provider } from "./samples.ts";

test("numbers have the digits that one can take in", () => {
  expect([0, 0.374, 4.21, 41.26, 128.4, 3_410.2].map(count)).toEqual(["0", "0.37", "4.21", "41.3", "128", "3,410"]);
  expect([9_999, 12_400, 1_250_000].map(short)).toEqual(["9,999", "12.4 k", "1.25 M"]);
  expect([999, 4_100_000].map(bytes)).toEqual(["999 B", "4.1 MB"]);
  // `--memory-limit 512M` is said as it was set.
  expect(memoryOf(536_870_912)).toBe("512 MiB");
  expect([percent(1, 4), percent(1, 0), several(1, "job"), several(2_000, "entry", "entries")]).toEqual(["25 %", "–", "1 job", "2,000 entries"]);
});

test("a time has two units at most", () => {
  expect([0, 0.42, 850, 2_340, 12_400, 60_000, 250_000, 7_500_000, 273_600_000].map(span)).toEqual(
    ["0 ms", "0.4 ms", "850 ms", "2.3 s", "12 s", "1 min", "4 min 10 s", "2 h 5 min", "3 d 4 h"],
  );
});

test("each figure has words where nothing happens and where much does", () => {
  const quiet = figures();
  const busy = figures({
    append_to_write_ms: { p50: 0.4, p99: 1_400 }, memory_bytes: 500_000_000, durable_lag_ms: 3_000, not_durable: 1,
    rates: { ...quiet.rates, refused: 3 }, queue: [lane({ waiting: 2 }), lane({ waiting: 3 })],
  });
  for (const tile of TILES) expect(`${tile.words(quiet)} ${tile.detail(quiet)}`).not.toMatch(/NaN|undefined|Infinity/);
  expect(TILES.filter((tile) => tile.isBad?.(quiet)).map(({ id }) => id)).toEqual([]);
  expect(TILES.filter((tile) => tile.isBad?.(busy)).map(({ id }) => id)).toEqual(["write", "durable", "memory", "refused"]);
  expect(TILES.find(({ id }) => id === "queue")?.words(busy)).toBe("5");
});

test("a silent job is told from one that works, and its silence goes on between two events", () => {
  const told = job({ last_sign_ms: 25_000 });
  expect(silenceOf(told, 0, 10_000)).toBe(35_000);
  expect([isSuspicious(25_000), isSuspicious(35_000), isSuspicious(null)]).toEqual([false, true, false]);
  expect(standing(told, 0, 0)).toBe("30 % · writing");
  expect(standing(told, 0, 10_000)).toBe("silent for 35 s");
  expect(standing(job({ status: "pending", waits_for: "its turn" }), 0, 99_000)).toBe("its turn");
  expect(standing(job({ status: "failed", error_code: "timeout", ended_at: 3_000 }), 0, 0)).toBe("timeout");
  expect(standing(job({ status: "completed", ended_at: 101_000 }), 0, 0)).toBe("in 1 min 40 s");
});

test("each action says beforehand what it does", () => {
  expect(questionOf("cancel", job()).words).toMatch(/Tides.*credits are released/);
  expect(questionOf("requeue", job({ attempt: 2 })).words).toMatch(/as attempt 3/);
  expect(questionOf("requeue", job({ status: "pending" })).words).toMatch(/next of its queue/);
  expect(questionOf("retry", job({ status: "failed" })).words).toMatch(/same input/);
});

test("a provider's last minute comes out of its totals, also when the server began anew", () => {
  let rates: Rates | undefined;
  for (let second = 0; second <= 90; second += 1) {
    rates = withTotals(rates, second * 1_000, provider({ requests_total: 100 + second, errors_total: second > 80 ? 2 : 0 }));
  }
  expect(lastMinute(rates)).toEqual({ requests: 60, errors: 2 });
  expect(lastMinute(withTotals(rates, 91_000, provider({ requests_total: 3 })))).toEqual({ requests: 0, errors: 0 });
  expect(providerWords(provider(), lastMinute(undefined))).toBe("not asked yet");
  expect(providerWords(provider({ requests_total: 9, errors_total: 4, polls_saved_total: 1 }), { requests: 1, errors: 0 }))
    .toBe("1 request in the last minute · no errors now, 4 in all · 1 poll saved by callbacks");
});

test("readers and webhooks are said in a line", () => {
  expect(readingWords({ readers: [], head: 0, durable_through: 0 })).toBe("Nobody reads it now; there is no event yet.");
  expect(readingWords({ readers: [], head: 9, durable_through: 7 })).toBe("Nobody reads it now; the newest event is 9, stored up to 7.");
  const webhook = { id: 1, url: "https://example.com", status: "pending", attempts: 2, next_at: 65_000, last_status: 503, last_error: null } as const;
  expect(deliveryWords(webhook, 5_000)).toBe("sent 2 times · answered 503 · next in 1 min");
  expect(deliveryWords({ ...webhook, attempts: 0, next_at: 0, last_status: null }, 5)).toBe("not sent yet · due now");
});

test("a key is asked for whole, and a wrong form says what is wrong", () => {
  const form = (fields: readonly (readonly [string, string])[]): FormData => {
    const data = new FormData();
    for (const [name, value] of fields) data.append(name, value);
    return data;
  };
  expect(wantedKey(form([["name", "site"]]))).toMatch(/^Choose/);
  expect(wantedKey(form([["scope", "read"], ["project", "a b"]]))).toMatch(/project/);
  expect(wantedKey(form([["scope", "read"], ["days", "0"]]))).toMatch(/days/);
  expect(wantedKey(form([["scope", "submit"], ["scope", "read"], ["name", " site "], ["project", ""], ["days", "30"]])))
    .toEqual({ scopes: ["submit", "read"], name: "site", expires_in_days: 30 });
  const key = { id: "key_1", name: "", scopes: [], project_id: "blog", created_at: 0, expires_at: 10, revoked_at: null, last_used_at: null };
  expect([keyState(key, 5), keyState(key, 10), keyState({ ...key, revoked_at: 1 }, 5)]).toEqual(["good", "over", "revoked"]);
  expect(keyWords({ ...key, revoked_at: 1 }, 5)).toBe("project blog · never used · revoked");
});

test("an amount is exact, or refused with an example", () => {
  expect(["100", "2,50", "0.000001"].map(amountOf)).toEqual([100_000_000, 2_500_000, 1]);
  for (const text of ["", "-1", "1.2345678", "abc", "0", "9999999999"]) expect(typeof amountOf(text)).toBe("string");
});

test("what failed says what to do", () => {
  expect(problemWords(new TailwaterError("unreachable", "no answer came", { retryable: true }))).toMatch(/cannot be reached/);
  expect(problemWords(new TailwaterError("forbidden", "the key lacks a scope"))).toBe("The key lacks a scope. This key may not do that; sign in with one that has the scope admin.");
  expect(problemWords(new TailwaterError("job_active", "the job is running"))).toBe("The job is running.");
});
