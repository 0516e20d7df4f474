// A server that says no, behind a real nginx: too many requests, a ticket that has expired, a session
// that is over.
//
// Nothing here sleeps. Every wait is for something that can be seen on the page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertWhole, hasAll, Network, says, seenBy, settled } from "./network.mjs";

/** Each on its own, they want more than the five requests a second that they get. */
const TABS = 8;

const network = Network.forThisFile();

/** Every answer of the API that a visitor's pages got. */
function countAnswers(visit) {
  const answers = [];
  visit.context.on("response", (response) => {
    if (new URL(response.url()).pathname.startsWith("/api/")) answers.push(response.status());
  });
  return answers;
}

for (const way of ["storm", "storm-bare"]) {
  test(`a storm of requests calms down by itself, and nobody misses anything (${way})`, () => network.visit(way, async (visit) => {
    const answers = countAnswers(visit);
    const producer = await visit.external();
    const options = { share: false, transport: "poll" };
    const pages = await Promise.all(Array.from({ length: TABS }, () => visit.watch(producer.job, options)));
    await producer.write("In the storm");
    await Promise.all(pages.map((page) => hasAll(page, producer)));
    await producer.complete();
    await Promise.all(pages.map((page) => assertWhole(page, visit.server)));
    const refused = answers.filter((status) => status === 429).length;
    assert.ok(refused > 0, "there was a storm");
    assert.ok(refused <= 20 * TABS, `${refused} refusals: the tabs made the storm worse`);
    for (const page of pages) {
      const { states } = await seenBy(page);
      assert.ok(states.every(({ phase }) => ["connecting", "polling", "reconnecting", "ended"].includes(phase)));
    }
  }));

  test(`a stream that is refused in a storm comes through after it (${way})`, () => network.visit(way, async (visit) => {
    const answers = countAnswers(visit);
    const producer = await visit.external();
    const pages = [];
    // Others ask all the time, until one of ours was refused.
    const storm = (async () => {
      while (!answers.includes(429)) await fetch(`${visit.wire.url}/api/info`);
    })();
    // Each has a stream of its own, of the six connections that there are.
    for (let tab = 0; tab < 5; tab += 1) pages.push(await visit.watch(producer.job, { share: false }));
    await storm;
    await Promise.all(pages.map((page) => says(page, "live")));
    await producer.write("After the storm");
    await producer.complete();
    await Promise.all(pages.map((page) => assertWhole(page, visit.server)));
  }));
}

network.everywhere("a ticket that has expired is renewed, and the page does not notice", async (visit) => {
  const producer = await visit.external();
  await producer.write("Behind a ticket");
  const requests = [];
  visit.context.on("request", (request) => requests.push(new URL(request.url())));
  const page = await visit.watch(producer.job, { streamUrl: `/api/jobs/${producer.job}/stream?ticket=expired` });
  await says(page, settled(visit.way));
  await hasAll(page, producer);
  await producer.complete();
  await assertWhole(page, visit.server);
  const api = requests.filter(({ pathname }) => pathname.startsWith("/api/")).map(({ pathname, search }) => pathname + search);
  const [stream, job, next] = api;
  assert.match(stream, /\/stream\?ticket=expired$/);
  assert.equal(job, `/api/jobs/${producer.job}`);
  assert.match(next, /\/stream$/);
});

network.everywhere("whoever is signed out is told so, once", async (visit) => {
  const producer = await visit.external();
  const answers = countAnswers(visit);
  await visit.context.addCookies([{ name: "session", value: "over", url: visit.wire.url }]);
  const page = await visit.watch(producer.job, { streamUrl: `/api/jobs/${producer.job}/stream?ticket=expired` });
  await says(page, "ended");
  const { error, events, states } = await seenBy(page);
  assert.deepEqual(error, { code: "signed_out", status: 401, detail: "you are signed out" });
  assert.deepEqual(events, []);
  assert.equal(states.at(-1).reason, "you are signed out");
  // The stream, and the address that would have been a fresh one.
  assert.deepEqual(answers, [401, 401]);
});

network.everywhere("a session that ends in the middle ends the watch with what the server says", async (visit) => {
  const producer = await visit.external();
  const page = await visit.watch(producer.job);
  await says(page, settled(visit.way));
  await producer.write("Before");
  await hasAll(page, producer);
  await visit.context.addCookies([{ name: "session", value: "over", url: visit.wire.url }]);
  visit.wire.mend();
  await says(page, "ended");
  const { error } = await seenBy(page);
  assert.equal(error.code, "signed_out");
  assert.equal(await page.locator("#post").textContent(), producer.text);
});
