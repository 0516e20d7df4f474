// What the proxies of these suites do to a stream, without our client: that they stand in the way.
//
// Nothing here sleeps. That something does not come is seen by what comes beside it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";

import { LIFE_MS, Network } from "./network.mjs";
import { Wire } from "./support.mjs";

const network = Network.forThisFile();

/** An external job, and a way to push events to it. */
async function externalJob() {
  const { server } = network;
  const { job_id: job } = await server.submit({ kind: "external", input: {} });
  const push = async (event) => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${server.url}/api/jobs/${job}/events`, { method: "POST", headers, body: JSON.stringify(event) });
    assert.equal(response.status, 200);
  };
  return { job, push };
}

/** Reads a stream piece by piece until its text has a word. */
async function readUntil(reader, word) {
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes(word)) {
    const { value, done } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  return text;
}

const streamOf = (url, job) => fetch(`${url}/api/jobs/${job}/stream`).then((response) => response.body.getReader());

test("plain passes each event on at once, buffering none before the stream ends", async () => {
  const { plain, buffering } = network.nginx.urls;
  const { job, push } = await externalJob();
  let held = true;
  const late = streamOf(buffering, job).then(async (reader) => {
    const first = await reader.read();
    held = false;
    const rest = await readUntil(reader, "event: completed");
    return new TextDecoder().decode(first.value) + rest;
  });
  const reader = await streamOf(plain, job);
  for (const note of ["first", "second", "third"]) {
    await push({ type: "note", data: { note } });
    assert.match(await readUntil(reader, note), /event: note/);
  }
  assert.equal(held, true, "an event came through the proxy that buffers");
  await push({ type: "completed", data: {} });
  await readUntil(reader, "event: completed");
  assert.match(await late, /event: hello[^]*"first"[^]*"third"[^]*event: completed/);
});

test("cutting ends a connection at its age, busy or not", async () => {
  const wire = await Wire.to(network.nginx.urls.plain, { lifeMs: LIFE_MS });
  const { hostname, port } = new URL(wire.url);
  const { job, push } = await externalJob();
  const idle = connect(port, hostname);
  await once(idle, "connect");
  const reader = await streamOf(wire.url, job);
  let pieces = 0;
  const cut = (async () => {
    for (;;) {
      const { done } = await reader.read();
      if (done) return;
      pieces += 1;
      await push({ type: "note", data: { pieces } });
    }
  })();
  await Promise.all([once(idle, "close"), assert.rejects(cut)]);
  assert.ok(pieces > 10, "the stream was busy");
  wire.close();
});

test("an expired ticket opens nothing, and neither does a session that is over", async () => {
  const { job } = await externalJob();
  const { plain } = network.nginx.urls;
  const expired = await fetch(`${plain}/api/jobs/${job}/stream?ticket=expired`);
  assert.equal(expired.status, 401);
  assert.equal((await expired.json()).code, "expired_ticket");
  const signedOut = await fetch(`${plain}/api/jobs/${job}`, { headers: { cookie: "session=over" } });
  assert.equal(signedOut.status, 401);
});

test("a storm is answered with 429, and says when to come back where it should", async () => {
  for (const [way, retryAfter] of [["storm", "1"], ["storm-bare", null]]) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${network.nginx.urls[way]}/api/info`)));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length >= 10, way);
    for (const { headers } of refused) assert.equal(headers.get("retry-after"), retryAfter, way);
  }
});
