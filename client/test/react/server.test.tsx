// The hooks over a real server: what they show is what it has.

import { frame, mount } from "./page.ts";

import type { ReactElement } from "react";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";

import { Tailwater } from "../../src/client.ts";
import { TailwaterProvider, useAudioPanel, useGeneration, useJob, type AudioPanel, type Generation, type WatchedJob } from "../../src/react/index.ts";
import { PATIENCE_MS, startServer, type RunningServer } from "../polling/server.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

let server: RunningServer;
let client: Tailwater;

beforeAll(async () => {
  server = await startServer();
  client = new Tailwater({ baseUrl: server.url });
});

afterAll(() => server.stop());

// The server keeps the real time.
beforeEach(() => void vi.useRealTimers());

const comes = (claim: () => void): Promise<void> =>
  vi.waitFor(async () => {
    await frame();
    claim();
  }, { timeout: PATIENCE_MS, interval: 20 });

/** What a hook gave at its newest render. */
function hooked<Value>(hook: () => Value): { readonly View: () => null; now(): Value } {
  let newest: { readonly value: Value } | null = null;
  const View = (): null => {
    newest = { value: hook() };
    return null;
  };
  const now = (): Value => {
    if (newest === null) throw new Error("it was never rendered");
    return newest.value;
  };
  return { View, now };
}

const provided = (view: ReactElement): ReactElement => <TailwaterProvider client={client}>{view}</TailwaterProvider>;

test("a_job_ends_up_with_the_text_that_the_server_has", async () => {
  const { job_id: jobId } = await client.submit({ kind: "blog", input: { topic: "The tides", words: 120 } });
  const job = hooked<WatchedJob>(() => useJob(jobId));
  await mount(provided(<job.View />));
  await comes(() => expect(job.now()).toMatchObject({ isOver: true, error: null, job: { status: "completed" } }));
  const { text } = await client.get(jobId);
  expect(job.now().job.text).toBe(text);
  expect(text.length).toBeGreaterThan(100);
});

test("a_generation_is_canceled_and_tried_again", async () => {
  const generation = hooked<Generation>(() => useGeneration());
  await mount(provided(<generation.View />));
  const first = await generation.now().submit({ kind: "blog", input: { topic: "Ebb", words: 5_000 } });
  await comes(() => expect(generation.now().job.text).not.toBe(""));
  await generation.now().cancel("the test wants it");
  await comes(() => expect(generation.now()).toMatchObject({ phase: "canceled", jobId: first, error: null }));
  const second = await generation.now().retry();
  expect(second).not.toBe(first);
  await comes(() => expect(generation.now()).toMatchObject({ phase: "running", jobId: second }));
  expect(await client.get(second ?? "")).toMatchObject({ retry_of: first, input: { topic: "Ebb" } });
  await generation.now().cancel();
  await comes(() => expect(generation.now().phase).toBe("canceled"));
  expect(await generation.now().submit({ kind: "blog", input: { topic: "" } })).toBeNull();
  await comes(() => expect(generation.now()).toMatchObject({ phase: "failed", error: { errors: [{ pointer: "/input/topic" }] } }));
});

test("a_narration_is_full_when_it_can_be_fetched_and_is_heard_at_once", async () => {
  const { job_id: jobId } = await client.submit({ kind: "voiceover", input: { text: "The tide is the sea's own clock. ".repeat(20) } });
  const percents: number[] = [];
  const panel = hooked<AudioPanel>(() => useAudioPanel(jobId, { autoPlay: true }));
  const View = (): ReactElement => {
    panel.View();
    percents.push(panel.now().percent);
    return <audio ref={panel.now().audioRef} />;
  };
  await mount(provided(<View />));
  await comes(() => expect(panel.now()).toMatchObject({ phase: "ready", percent: 100, isPlaying: true, autoplayBlocked: false }));
  const answer = await fetch(panel.now().url ?? "");
  expect(answer.headers.get("content-type")).toMatch(/^audio\//);
  expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(1_000);
  expect(panel.now().durationMs).toBeGreaterThan(1_000);
  expect(percents).toEqual([...percents].sort((left, right) => left - right));
});
