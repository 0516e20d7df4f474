// A watch against a scripted server, on fake time.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { JobEvent } from "../../src/events.ts";
import { watchJob, watchProject } from "../../src/watch/index.ts";
// Loaded before the clock is faked: what a watch loads later comes at once then.
import "../../src/watch/later.ts";
import type { WatchState } from "../../src/watch/types.ts";
import { json, never, problem, Script } from "./script.ts";

const STREAM = "/api/jobs/job_1/stream";
const EVENTS = "/api/jobs/job_1/events";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets everything that is ready happen. */
const settle = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

const page = (events: { id: number; type: string; data?: object }[], more: object = {}): Response =>
  json({ events: events.map((event) => ({ at: 0, data: {}, ...event })), next: 0, ended: false, head: 0, poll_after_ms: 1_000, ...more });

/** A watch that notes what it is handed and where it is. */
function noted(script: Script, options: Parameters<typeof watchJob>[2] = {}) {
  const ids: number[] = [];
  const events: JobEvent[] = [];
  const phases: string[] = [];
  const states: WatchState[] = [];
  const watch = watchJob(script.connection, "job_1", {
    onEvent: (event) => {
      events.push(event);
      if (event.id !== null) ids.push(event.id);
    },
    onState: (state) => {
      states.push(state);
      if (phases.at(-1) !== state.phase) phases.push(state.phase);
    },
    ...options,
  });
  return { watch, ids, events, phases, states };
}

describe("a stream", () => {
  test("brings events in order to a loop, which ends with the job", async () => {
    const script = new Script().stream(STREAM);
    const watch = watchJob(script.connection, "job_1");
    const seen: string[] = [];
    const loop = (async () => {
      for await (const event of watch) seen.push(event.type);
    })();
    await settle();
    script.wire.hello();
    script.wire.event(5, "content", { text: "a" });
    await settle();
    expect(watch.state).toMatchObject({ phase: "live", carrier: "fetch" });
    script.wire.event(6, "completed", { words: 1 });
    await loop;
    expect(seen).toEqual(["hello", "content", "completed"]);
    expect(await watch.done).toMatchObject({ id: 6, type: "completed", data: { words: 1 } });
    expect([watch.cursor, watch.state.phase, script.wire.isOpen]).toEqual([6, "ended", false]);
  });

  test("that breaks goes on behind the last event, and nothing comes twice", async () => {
    const script = new Script().stream(STREAM);
    const { ids, phases } = noted(script, { after: 3 });
    await settle();
    expect(script.asked[0]?.url.searchParams.get("after")).toBe("3");
    script.wire.hello();
    script.wire.event(5, "content");
    script.wire.send("id: 6\nevent: content\ndata: {\"cut");
    await settle();
    script.wire.cut();
    await settle(250);
    expect(script.asked[1]?.url.searchParams.get("after")).toBe("5");
    script.wire.hello();
    script.wire.event(5, "content");
    script.wire.event(6, "content");
    script.wire.event(7, "completed");
    await settle();
    expect(ids).toEqual([5, 6, 7]);
    expect(phases).toEqual(["live", "reconnecting", "live", "ended"]);
  });

  test("that is silent for three keep-alives is opened anew", async () => {
    const script = new Script().stream(STREAM);
    const { states } = noted(script);
    await settle();
    script.wire.hello();
    await settle(5_000);
    script.wire.send(": keep-alive\n\n");
    await settle(15_999);
    expect(script.wires).toHaveLength(1);
    await settle(1_000);
    expect(script.wires).toHaveLength(2);
    expect(script.wires[0]?.isOpen).toBe(false);
    expect(states.map(({ reason }) => reason)).toContain("nothing came for 16 s");
  });

  test("whose hello does not come within 3 s is polled instead, and tried again later", async () => {
    const script = new Script().stream(STREAM).on(EVENTS, () => page([{ id: 4, type: "content" }]));
    const { watch, ids, phases } = noted(script);
    await settle(3_000);
    expect(script.wires[0]?.isOpen).toBe(false);
    script.on(EVENTS, never);
    await settle(250);
    expect(watch.state).toMatchObject({ phase: "polling", carrier: "long-poll", reason: "the stream is held back on the way" });
    expect(script.to(EVENTS).at(-1)?.url.search).toBe("?after=4&wait=20");
    expect([ids, phases]).toEqual([[4], ["connecting", "polling"]]);
  });

  test("is tried again while polling, never beside a poll, and ends it when it gets through", async () => {
    const script = new Script().stream(STREAM).on(EVENTS, () => page([]));
    const { watch } = noted(script);
    await settle(3_000);
    let answer: (response: Response) => void = () => undefined;
    script.on(EVENTS, () => new Promise((resolve) => { answer = resolve; }));
    await settle(250);
    await settle(20_000);
    answer(page([]));
    await settle();
    expect(script.wires).toHaveLength(1);
    await settle(10_000);
    answer(page([]));
    await settle();
    expect(script.wires).toHaveLength(2);
    const polls = script.to(EVENTS).length;
    script.wire.hello();
    await settle(1_000);
    expect([watch.state.phase, script.to(EVENTS).length]).toEqual(["live", polls]);
  });

  test("is never followed by a poll while it lives", async () => {
    const script = new Script().stream(STREAM).on(EVENTS, () => page([]));
    noted(script);
    await settle();
    script.wire.hello();
    for (let beat = 0; beat < 100; beat += 1) {
      await settle(5_000);
      script.wire.send(": keep-alive\n\n");
    }
    expect([script.wires.length, script.to(EVENTS).length]).toEqual([1, 0]);
  });

  test("that says 204 is over, and how the job ended is asked", async () => {
    const job = { status: "failed", last_event_id: 9, error: { code: "moderated", message: "no", retryable: false } };
    const script = new Script().on(STREAM, () => new Response(null, { status: 204 })).on("/api/jobs/job_1", () => json(job));
    const { watch, phases } = noted(script, { after: 9 });
    await settle();
    expect(phases).toEqual(["ended"]);
    expect(await watch.done).toEqual({ id: 9, type: "failed", data: job.error });
  });

  test("after a gap begins at the snapshot, whose id may be lower", async () => {
    const script = new Script().stream(STREAM);
    const { ids, events } = noted(script, { after: 900 });
    await settle();
    script.wire.hello();
    script.wire.send('event: gap\ndata: {"from":900,"to":40,"reason":"ahead_of_head"}\n\n');
    script.wire.event(40, "snapshot", { text: "so far" });
    script.wire.event(41, "content");
    await settle();
    expect(ids).toEqual([40, 41]);
    expect(events.map(({ type }) => type)).toEqual(["hello", "gap", "snapshot", "content"]);
  });
});

describe("polls", () => {
  test("bring a gap and its snapshot as a stream does", async () => {
    const gap = { from: 900, to: 40, reason: "trimmed" };
    const script = new Script().on(EVENTS, () => page([{ id: 41, type: "completed" }], { gap, snapshot: { text: "" }, ended: true }));
    const { ids, events, phases } = noted(script, { after: 900, transport: "poll" });
    await settle();
    expect([ids, events.map(({ type }) => type), phases]).toEqual([[40, 41], ["gap", "snapshot", "completed"], ["ended"]]);
  });

  test("of a job that is over end the watch", async () => {
    const script = new Script()
      .on(EVENTS, () => page([], { ended: true, poll_after_ms: null }))
      .on("/api/jobs/job_1", () => json({ status: "completed", last_event_id: 9, result: { words: 3 } }));
    const { watch } = noted(script, { after: 9, transport: "poll" });
    await settle();
    expect(await watch.done).toEqual({ id: 9, type: "completed", data: { words: 3 } });
  });
});

describe("refusals", () => {
  test("of an unknown job are thrown by the loop and by done", async () => {
    const script = new Script().on(STREAM, () => problem(404, "unknown_job")).on(EVENTS, () => problem(404, "unknown_job"));
    const watch = watchJob(script.connection, "job_1");
    const loop = (async () => {
      for await (const event of watch) throw new Error(`an event came: ${event.type}`);
    })();
    await expect(loop).rejects.toMatchObject({ code: "unknown_job", status: 404 });
    await expect(watch.done).rejects.toMatchObject({ code: "unknown_job" });
    expect(watch.state).toMatchObject({ phase: "ended", reason: "it is unknown_job" });
  });

  test("of an expired ticket get a fresh one from the job, once", async () => {
    const fresh = `${STREAM}?ticket=fresh`;
    const script = new Script("secret").on("/api/jobs/job_1", () => json({ stream_url: fresh }));
    const opened: string[] = [];
    script.on(STREAM, ({ url }) => {
      opened.push(url.searchParams.get("ticket") ?? "");
      return url.searchParams.get("ticket") === "fresh" ? new Response(null, { status: 204 }) : problem(401, "expired_ticket");
    });
    const { phases } = noted(script, { streamUrl: `${STREAM}?ticket=expired` });
    await settle();
    expect([opened, phases]).toEqual([["expired", "fresh"], ["reconnecting", "ended"]]);
  });

  test("are none where the ticket opens whatever carries the events, and the files", async () => {
    const artifact = { id: "file_1", url: "/api/artifacts/file_1/content" };
    const page = { events: [{ id: 1, type: "artifact_ready", at: 0, data: { artifact, note: '"url":"/api/artifacts/x' } }], next: 1, ended: false, head: 1, poll_after_ms: 1_000 };
    const script = new Script().on(EVENTS, () => json(page));
    const { watch, events } = noted(script, { streamUrl: `${STREAM}?ticket=tkt_j.1`, transport: "poll" });
    await settle();
    expect(script.to(EVENTS)[0]?.url.searchParams.get("ticket")).toBe("tkt_j.1");
    expect(events[0]?.data).toEqual({ artifact: { id: "file_1", url: "/api/artifacts/file_1/content?ticket=tkt_j.1" }, note: '"url":"/api/artifacts/x' });
    watch.close();
  });

  test("tell no other server a ticket, whatever its addresses look like", async () => {
    const data = ["https://elsewhere.example/api/artifacts/x", "//elsewhere.example/api/artifacts/x"].map((url) => ({ url }));
    const page = { events: [{ id: 1, type: "artifact_ready", at: 0, data }], next: 1, ended: false, head: 1, poll_after_ms: 1_000 };
    const { watch, events } = noted(new Script().on(EVENTS, () => json(page)), { streamUrl: `${STREAM}?ticket=tkt_j.1`, transport: "poll" });
    await settle();
    expect(events[0]?.data).toEqual(data);
    watch.close();
  });

  test("of a fresh ticket are final", async () => {
    const script = new Script()
      .on("/api/jobs/job_1", () => json({ stream_url: `${STREAM}?ticket=fresh` }))
      .on(STREAM, () => problem(401, "expired_ticket"));
    const { watch } = noted(script, { streamUrl: `${STREAM}?ticket=expired` });
    await settle();
    await expect(watch.done).rejects.toMatchObject({ status: 401, code: "expired_ticket" });
    expect(script.to(STREAM)).toHaveLength(2);
  });

  test("with Retry-After are obeyed, and shown", async () => {
    const script = new Script().on(STREAM, () => problem(429, "slow_down", { "retry-after": "8" }));
    const { watch } = noted(script);
    await settle();
    expect(watch.state).toMatchObject({ phase: "reconnecting", reason: "it is slow_down", retryAt: Date.now() + 8_800 });
    await settle(8_799);
    expect(script.to(STREAM)).toHaveLength(1);
    script.stream(STREAM);
    await settle(1);
    script.wire.hello();
    await settle();
    expect(watch.state.phase).toBe("live");
  });

  test("without end use up the budget, where there is one", async () => {
    const script = new Script();
    const { watch } = noted(script, { retry: { limit: 5 } });
    await settle(120_000);
    await expect(watch.done).rejects.toMatchObject({ code: "gave_up" });
    expect(script.asked.length).toBe(6);
  });

  test("by a page that is no stream are polled around", async () => {
    const script = new Script().on(STREAM, () => new Response("<h1>Hello</h1>", { headers: { "content-type": "text/html" } }));
    script.on(EVENTS, () => page([{ id: 3, type: "completed" }]));
    const { ids } = noted(script);
    await settle(5_000);
    expect(ids).toEqual([3]);
  });
});

describe("the caller", () => {
  test("ends the watch by a signal, and the job is not touched", async () => {
    const script = new Script().stream(STREAM);
    const abort = new AbortController();
    const { watch, phases } = noted(script, { signal: abort.signal });
    await settle();
    script.wire.hello();
    await settle();
    abort.abort();
    await settle(60_000);
    await expect(watch.done).rejects.toMatchObject({ code: "aborted" });
    expect([phases, script.wire.isOpen, script.asked.length]).toEqual([["live", "ended"], false, 1]);
  });

  test("that leaves the loop leaves no connection and no timer", async () => {
    const script = new Script().stream(STREAM);
    const watch = watchJob(script.connection, "job_1");
    const first = watch[Symbol.asyncIterator]().next();
    await settle();
    script.wire.hello();
    expect((await first).value).toMatchObject({ type: "hello" });
    watch.close();
    await settle();
    expect([script.wire.isOpen, vi.getTimerCount()]).toEqual([false, 0]);
  });

  test("that is aborted before it begins asks for nothing", async () => {
    const script = new Script().stream(STREAM);
    const { watch } = noted(script, { signal: AbortSignal.abort() });
    await settle(10_000);
    expect([script.asked.length, watch.state.phase]).toEqual([0, "ended"]);
  });

  test("whose loop is slow gets every event once, from the log where more came than may wait", async () => {
    const script = new Script().stream(STREAM);
    const watch = watchJob(script.connection, "job_1");
    const loop = watch[Symbol.asyncIterator]();
    const ids: number[] = [];
    const first = loop.next();
    await settle();
    script.wire.hello();
    for (let id = 1; id <= 5_000; id += 1) script.wire.event(id, "content");
    await first;
    await settle();
    expect(script.wire.isOpen).toBe(false);
    // What waits is taken, and then the log is asked for the rest.
    let step = loop.next();
    while (script.asked.length === 1) {
      const { value } = await step;
      if (value?.id != null) ids.push(value.id);
      step = loop.next();
      await settle();
    }
    const last = ids.at(-1) ?? 0;
    expect(script.asked[1]?.url.searchParams.get("after")).toBe(String(last));
    script.wire.hello();
    for (let id = last; id <= 5_000; id += 1) script.wire.event(id, "content");
    script.wire.event(5_001, "completed");
    for (let next = await step; !next.done; next = await loop.next()) {
      if (next.value.id !== null) ids.push(next.value.id);
    }
    expect(ids).toEqual(Array.from({ length: 5_001 }, (_, index) => index + 1));
  });

  test("whose callback throws loses no event", async () => {
    const script = new Script().stream(STREAM);
    const thrown: unknown[] = [];
    const later = vi.spyOn(globalThis, "queueMicrotask");
    const ids: number[] = [];
    watchJob(script.connection, "job_1", {
      onEvent: ({ id }) => {
        if (id === null) return;
        ids.push(id);
        throw new Error("the caller's own");
      },
    });
    await settle();
    later.mockImplementation((work) => {
      try {
        work();
      } catch (error) {
        thrown.push(error);
      }
    });
    script.wire.hello();
    script.wire.event(1, "content");
    script.wire.event(2, "completed");
    await settle();
    expect([ids, thrown.length]).toEqual([[1, 2], 2]);
  });

  test("that asks for it finds its cursor again after a reload", async () => {
    const kept = new Map<string, string>();
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
    });
    const script = new Script().stream(STREAM);
    const before = noted(script, { remember: true });
    await settle();
    script.wire.hello();
    script.wire.event(7, "content");
    await settle();
    before.watch.close();
    noted(script, { remember: true });
    await settle();
    expect(script.asked[1]?.url.searchParams.get("after")).toBe("7");
  });

  test("sends the token in a header, and never in an address", async () => {
    const script = new Script("secret").stream(STREAM);
    noted(script);
    await settle();
    expect(script.asked[0]?.headers.get("authorization")).toBe("Bearer secret");
    expect(script.asked[0]?.url.href).not.toContain("secret");
  });
});

describe("a project", () => {
  const PROJECT = "/api/projects/default/stream";

  test("begins with its snapshot and goes on with the events of its jobs", async () => {
    const script = new Script().stream(PROJECT);
    const watch = watchProject(script.connection, "default");
    const seen: unknown[] = [];
    const loop = (async () => {
      for await (const { id, type, job } of watch) seen.push([id, type, job]);
    })();
    await settle();
    script.wire.hello({ project: "default" });
    script.wire.event(4, "snapshot", { project: "default", jobs: [] });
    script.wire.event(5, "completed", { job: "job_1", data: {} });
    script.wire.event(6, "status", { job: "job_2", data: { status: "pending", attempt: 0 } });
    await settle();
    watch.close();
    await loop;
    expect(seen).toEqual([[null, "hello", null], [4, "snapshot", null], [5, "completed", "job_1"], [6, "status", "job_2"]]);
  });

  test("is polled for its state where streams do not get through, and only for news", async () => {
    const script = new Script().stream(PROJECT).on("/api/project/default", ({ headers }) =>
      headers.get("if-none-match") === '"1"'
        ? new Response(null, { status: 304, headers: { etag: '"1"' } })
        : json({ jobs: [{ id: "job_1" }], poll_after_ms: null }, { headers: { etag: '"1"' } }));
    const types: string[] = [];
    const watch = watchProject(script.connection, "default", { onEvent: ({ type }) => types.push(type) });
    await settle(4_000);
    watch.close();
    expect(types).toEqual(["snapshot"]);
    expect(script.to("/api/project/default").map(({ url }) => url.search).slice(0, 2)).toEqual(["", "?wait=20"]);
  });
});
