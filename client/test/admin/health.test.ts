// How the server is, and what an operator is told to look at.

import { expect, test } from "vitest";

import { concernsOf, healthOf, isSilent } from "../../admin/health.ts";
import { figures, lane, provider } from "./samples.ts";

test("the server is ready, degraded, draining or not ready, and says why", () => {
  expect(healthOf(figures())).toEqual({ state: "ready", words: "Ready", why: "" });
  expect(healthOf(figures({ degraded: true }))).toMatchObject({ state: "degraded", why: expect.stringMatching(/streams go on/) });
  expect(healthOf(figures({ ready: false, reason: "draining" }))).toMatchObject({ state: "draining" });
  expect(healthOf(figures({ ready: false, reason: "database" }))).toMatchObject({ state: "unready", why: "database" });
});

test("a server that is well wants nothing", () => {
  expect(concernsOf(figures({ queue: [lane({ silence_ms_max: 29_000 })], providers: [provider()] }))).toEqual([]);
});

test("a job that is silent for more than half a minute is a concern, with the way to it", () => {
  const silent = lane({ provider: "chat", silence_ms_max: 31_000 });
  expect([isSilent(silent), isSilent(lane()), isSilent(lane({ silence_ms_max: 30_000 }))]).toEqual([true, false, false]);
  const [concern] = concernsOf(figures({ queue: [silent] }));
  expect(concern).toMatchObject({ level: "warn", words: "A job of chat has said nothing for 31 s", link: { href: "#/jobs?status=running" } });
  const [known] = concernsOf(figures({ queue: [{ ...silent, silent_job: "job_7" }] }));
  expect(known?.link).toEqual({ href: "#job=job_7", words: "Its story" });
});

test("a database that does not answer is a concern of its own", () => {
  expect(concernsOf(figures({ database: false }))).toMatchObject([{ key: "database", level: "error", words: "The database does not answer" }]);
});

test("what is worst comes first, and everything says what to do", () => {
  const found = concernsOf(figures({
    providers: [provider({ status: "paused", note: "answered 503" }), provider({ name: "runway", status: "failing" })],
    memory_bytes: 500_000_000, durable_lag_ms: 5_000, not_durable: 12,
    process: { cpu: 1, resident_bytes: 1, open_fds: 900, max_fds: 1_000 },
    rates: { ...figures().rates, refused: 2 },
  }));
  expect(found.map(({ key }) => key)).toEqual(["provider-runway", "durable", "provider-fal", "memory", "descriptors", "refused"]);
  expect(found.every(({ advice }) => advice !== "")).toBe(true);
  expect(found.find(({ key }) => key === "provider-fal")?.words).toBe("fal is paused: answered 503");
});
