// Ten tabs behind a real nginx over HTTP/1.1, by which a browser makes six connections to an origin:
// the tabs share one, and none loses or repeats anything when the tab that holds it goes.
//
// Nothing here sleeps. Every wait is for something that can be seen on the pages or at nginx.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertWhole, hasAll, Network, says, seenBy, settled, WAYS } from "./network.mjs";
import { PATIENCE_MS } from "./support.mjs";

const TABS = 10;

const network = Network.forThisFile();

/** Counts the streams that a visitor's tabs have open at a time. */
function countStreams(visit) {
  const open = new Set();
  const count = { most: 0 };
  visit.context.on("request", (request) => {
    if (!isStream(request)) return;
    open.add(request);
    count.most = Math.max(count.most, open.size);
  });
  for (const end of ["requestfinished", "requestfailed"]) visit.context.on(end, (request) => open.delete(request));
  return count;
}

const isStream = (request) => /\/stream\b/.test(new URL(request.url()).pathname);

/** One stream at a time; the browser may tell of the end of the last one after the next was opened. */
const assertOne = ({ most }) => assert.ok(most <= 2, `${most} streams at a time`);

/** Asks nginx until so many of its answers are under way. */
async function answering(wanted) {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const count = await network.nginx.answering();
    if (count === wanted) return;
    assert.ok(Date.now() < until, `${count} answers are under way`);
  }
}

/** The tab that has the connection: the one that holds the lock. */
async function leaderOf(pages) {
  const leads = await Promise.all(pages.map((page) => page.evaluate(async () => {
    const { held } = await navigator.locks.query();
    const own = await lockClient();
    return held.some(({ name, clientId }) => name.startsWith("tailwater:") && clientId === own);

    // A page learns which client it is by holding a lock of its own.
    function lockClient() {
      const name = `who-${Math.random()}`;
      return navigator.locks.request(name, async () => (await navigator.locks.query()).held.find((lock) => lock.name === name).clientId);
    }
  })));
  assert.equal(leads.filter(Boolean).length, 1, "one tab leads");
  return pages[leads.indexOf(true)];
}

for (const way of Object.keys(WAYS)) {
  test(`ten tabs with a job each share one connection (${way})`, () => network.visit(way, async (visit) => {
    const streams = countStreams(visit);
    const producers = await Promise.all(Array.from({ length: TABS }, () => visit.external()));
    const pages = await Promise.all(producers.map(({ job }) => visit.watch(job)));
    await Promise.all(pages.map((page) => says(page, settled(way))));
    if (way !== "buffering") await answering(1);
    await Promise.all(producers.map((producer, index) => producer.write(`Tab ${index}`)));
    await Promise.all(producers.map((producer, index) => hasAll(pages[index], producer)));
    await Promise.all(producers.map((producer) => producer.complete()));
    await Promise.all(pages.map((page) => assertWhole(page, visit.server)));
    assertOne(streams);
    for (const [index, page] of pages.entries()) {
      assert.equal(await page.locator("#post").textContent(), producers[index].text);
      assert.ok((await seenBy(page)).states.every(({ shared }) => shared));
    }
  }));

  test(`ten tabs on one job show the same, and the one that leads may go (${way})`, () => network.visit(way, async (visit) => {
    const streams = countStreams(visit);
    const producer = await visit.external();
    const pages = await Promise.all(Array.from({ length: TABS }, () => visit.watch(producer.job)));
    await Promise.all(pages.map((page) => says(page, settled(way))));
    await producer.write("With the first leader");
    await Promise.all(pages.map((page) => hasAll(page, producer)));
    const leader = await leaderOf(pages);
    // What is written while the connection changes hands is what could be lost.
    await Promise.all([leader.close(), producer.write("Between two leaders", 100)]);
    const others = pages.filter((page) => page !== leader);
    await Promise.all(others.map((page) => hasAll(page, producer)));
    await leaderOf(others);
    await producer.write("With the second leader");
    await producer.complete();
    await Promise.all(others.map((page) => assertWhole(page, visit.server)));
    assertOne(streams);
  }));
}
