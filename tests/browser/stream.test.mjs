// The watcher around EventSource, in a world of its own: a clock that is wound by hand, streams and
// pages that do as they are told.

import assert from "node:assert/strict";
import { test } from "node:test";

import { watch } from "../../static/stream.js";

/** Surroundings for one watcher, and what it made of them. */
function surroundings() {
  let now = 0;
  let wake = () => {};
  const timers = new Set();
  const world = {
    streams: [],
    requests: [],
    answer: () => page([]),
    draw: 0.5,
    openStream(url) {
      const stream = new FakeStream(url);
      this.streams.push(stream);
      return stream;
    },
    fetch(url, { signal }) {
      this.requests.push(url);
      return Promise.race([
        Promise.resolve(this.answer(url)),
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted")))),
      ]);
    },
    setTimeout(work, delay) {
      const timer = { work, at: now + delay };
      timers.add(timer);
      return timer;
    },
    clearTimeout: (timer) => timers.delete(timer),
    now: () => now,
    random() { return this.draw; },
    origin: () => "http://page.example/",
    onWake(callback) {
      wake = callback;
      return () => { wake = () => {}; };
    },
    wake: () => wake(),
    /** Lets time pass, and everything that was due happen. */
    async pass(milliseconds) {
      const until = now + milliseconds;
      for (;;) {
        await settle();
        const [next] = [...timers].sort((left, right) => left.at - right.at);
        if (next === undefined || next.at > until) break;
        timers.delete(next);
        now = next.at;
        next.work();
      }
      now = until;
    },
    last() { return this.streams.at(-1); },
  };
  return world;
}

const settle = () => new Promise((resolve) => { setImmediate(resolve); });

class FakeStream {
  constructor(url) {
    this.url = new URL(url);
    this.readyState = 0;
    this.listeners = new Map();
  }

  addEventListener(name, listener) { this.listeners.set(name, listener); }
  close() { this.readyState = 2; this.closed = true; }

  open() {
    this.readyState = 1;
    this.onopen?.();
  }

  say(type, data = {}, id = "") {
    if (!this.closed) this.listeners.get(type)({ data: JSON.stringify(data), lastEventId: String(id) });
  }

  greet() {
    this.open();
    this.say("hello");
  }

  /** The connection broke: a native EventSource would try again. */
  breakOff() {
    this.readyState = 0;
    this.onerror?.();
  }

  /** Refused with a status: a native EventSource gives up. */
  refuse() {
    this.readyState = 2;
    this.onerror?.();
  }
}

const page = (events, more = {}) => ({ ok: true, status: 200, json: async () => ({ events, ...more }) });
const status = (code, headers = {}) => ({ ok: false, status: code, headers: new Headers(headers), json: async () => ({}) });

function start(world, after = 0) {
  const seen = [];
  const phases = [];
  const watcher = watch({
    streamUrl: "/stream?ticket=t", eventsUrl: "/events", after, world,
    onEvent: (event) => seen.push(event),
    onPhase: (phase) => phases.push(phase),
  });
  return { watcher, seen, phases, phase: () => phases.at(-1).name, ids: () => seen.flatMap(({ id }) => id ?? []) };
}

test("the first stream starts at the beginning, with a ticket and keep-alives that can be heard", () => {
  const world = surroundings();
  const { phase } = start(world);
  assert.equal(world.last().url.href, "http://page.example/stream?ticket=t&keepalive=event");
  assert.equal(phase(), "connecting");
  world.last().greet();
  assert.equal(phase(), "live");
});

test("a broken stream is followed by one from the cursor, and nothing is handed on twice", async () => {
  const world = surroundings();
  const { ids, phase, phases } = start(world);
  world.last().greet();
  world.last().say("content", {}, 11);
  world.last().say("content", {}, 12);
  world.last().breakOff();
  assert.equal(phase(), "reconnecting");
  assert.equal(phases.at(-1).retryAt, 250);
  await world.pass(250);
  assert.equal(world.streams.length, 2);
  assert.equal(world.last().url.searchParams.get("after"), "12");
  world.last().greet();
  world.last().say("content", {}, 12);
  world.last().say("content", {}, 13);
  assert.deepEqual(ids(), [11, 12, 13]);
  assert.equal(phase(), "live");
});

test("delays grow to a cap, and are drawn from nothing to the whole", async () => {
  const world = surroundings();
  const { phases } = start(world);
  const delays = [];
  world.draw = 1;
  for (let round = 0; round < 8; round += 1) {
    world.last().breakOff();
    delays.push(phases.at(-1).retryAt - world.now());
    await world.pass(delays.at(-1));
  }
  assert.deepEqual(delays, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  world.draw = 0;
  world.last().breakOff();
  assert.equal(phases.at(-1).retryAt, world.now());
});

test("three missing keep-alives are a broken stream", async () => {
  const world = surroundings();
  const { phase } = start(world);
  world.last().greet();
  await world.pass(12_000);
  world.last().say("keep-alive");
  await world.pass(12_000);
  assert.equal(phase(), "live");
  await world.pass(4_100);
  assert.equal(phase(), "reconnecting");
  assert.ok(world.streams[0].closed);
});

test("a closed EventSource is made anew when the server answers again", async () => {
  const world = surroundings();
  world.answer = () => status(502);
  const { phase } = start(world);
  world.last().refuse();
  await world.pass(300);
  assert.equal(world.streams.length, 2);
  world.last().greet();
  assert.equal(phase(), "live");
});

test("an EventSource that closes because everything was sent ends the watch", async () => {
  const world = surroundings();
  world.answer = () => page([], { ended: true });
  const { phase } = start(world, 40);
  world.last().refuse();
  await world.pass(0);
  assert.match(world.requests[0], /after=40/);
  assert.equal(phase(), "ended");
});

test("an unknown job is gone, not retried", async () => {
  const world = surroundings();
  world.answer = () => status(404);
  const { phase } = start(world);
  world.last().refuse();
  await world.pass(60_000);
  assert.equal(phase(), "gone");
  assert.equal(world.streams.length, 1);
});

test("the terminal event closes everything", async () => {
  const world = surroundings();
  const { phase, ids } = start(world);
  world.last().greet();
  world.last().say("completed", {}, 7);
  world.last().breakOff();
  await world.pass(600_000);
  assert.equal(phase(), "ended");
  assert.deepEqual(ids(), [7]);
  assert.equal(world.streams.length, 1);
});

test("two streams without a hello lead to polling, by the same cursor", async () => {
  const world = surroundings();
  let turn = 0;
  world.answer = () => {
    turn += 1;
    if (turn === 1) return page([{ id: 4, type: "content", data: {} }, { id: 5, type: "content", data: {} }]);
    return new Promise(() => {});
  };
  const { phase, ids } = start(world, 3);
  await world.pass(3_000);
  assert.equal(phase(), "reconnecting");
  await world.pass(250 + 3_000);
  assert.equal(phase(), "polling");
  assert.deepEqual(ids(), [4, 5]);
  assert.match(world.requests[0], /after=3&wait=20/);
  assert.match(world.requests[1], /after=5&wait=20/);
});

test("polling ends when a probe is greeted, and repeats nothing", async () => {
  const world = surroundings();
  let turn = 0;
  const held = () => new Promise((resolve) => { world.setTimeout(() => resolve(page([])), 20_000); });
  world.answer = () => (turn++ === 0 ? page([{ id: 4, type: "content", data: {} }]) : held());
  const { phase, ids } = start(world);
  await world.pass(6_250);
  assert.equal(phase(), "polling");
  const before = world.streams.length;
  await world.pass(30_000);
  assert.equal(world.streams.length, before + 1);
  assert.equal(phase(), "polling");
  world.last().greet();
  world.last().say("content", {}, 4);
  world.last().say("content", {}, 5);
  assert.equal(phase(), "live");
  assert.deepEqual(ids(), [4, 5]);
  const asked = world.requests.length;
  await world.pass(15_000);
  assert.equal(world.requests.length, asked);
});

test("polling ends with the job", async () => {
  const world = surroundings();
  world.answer = () => page([{ id: 9, type: "completed", data: {} }], { ended: true });
  const { phase, ids } = start(world);
  await world.pass(6_250);
  assert.equal(phase(), "ended");
  assert.deepEqual(ids(), [9]);
});

test("a poll that is told to wait waits", async () => {
  const world = surroundings();
  world.answer = () => status(503, { "retry-after": "30" });
  const { phases } = start(world);
  await world.pass(6_250);
  assert.equal(phases.at(-1).name, "reconnecting");
  assert.equal(phases.at(-1).retryAt - world.now(), 30_000);
});

test("a poll whose answer never comes is given up", async () => {
  const world = surroundings();
  world.answer = () => new Promise(() => {});
  const { phase } = start(world);
  await world.pass(6_250);
  assert.equal(phase(), "polling");
  await world.pass(30_000);
  assert.equal(phase(), "reconnecting");
  await world.pass(15_000);
  assert.equal(world.requests.length, 2);
});

test("after bye, the server's own time to come back is kept by the browser", async () => {
  const world = surroundings();
  const { phase } = start(world);
  world.last().greet();
  world.last().say("bye");
  world.last().breakOff();
  await world.pass(60_000);
  assert.equal(world.streams.length, 1);
  assert.equal(phase(), "reconnecting");
  world.last().greet();
  assert.equal(phase(), "live");
});

test("an overloaded server that closes without a hello is left its own time too", async () => {
  const world = surroundings();
  start(world);
  world.last().open();
  world.last().breakOff();
  await world.pass(60_000);
  assert.equal(world.streams.length, 1);
});

test("waking up reconnects at once when waiting or in doubt, and only then", async () => {
  const world = surroundings();
  const { phase } = start(world);
  world.last().greet();
  world.wake();
  assert.equal(world.streams.length, 1);
  await world.pass(7_500);
  world.wake();
  assert.equal(world.streams.length, 2);
  world.last().greet();
  world.draw = 1;
  world.last().breakOff();
  world.wake();
  assert.equal(world.streams.length, 3);
  world.last().greet();
  assert.equal(phase(), "live");
});

test("after a gap, lower ids are news", () => {
  const world = surroundings();
  const { ids } = start(world, 500);
  world.last().greet();
  world.last().say("gap", { reason: "epoch" }, 500);
  world.last().say("snapshot", {}, 40);
  world.last().say("content", {}, 41);
  world.last().say("content", {}, 41);
  assert.deepEqual(ids(), [40, 41]);
});

test("a closed watcher does nothing more", async () => {
  const world = surroundings();
  const { watcher, seen } = start(world);
  world.last().greet();
  watcher.close();
  world.wake();
  await world.pass(600_000);
  assert.equal(world.streams.length, 1);
  assert.equal(seen.length, 1);
});
