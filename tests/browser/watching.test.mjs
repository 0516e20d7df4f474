// The client library behind a real nginx: whatever the way does to a stream, each event arrives once
// and in order, the text is the artifact's, and the badge says how things are.
//
// Nothing here waits for time to pass, but where that is what happens: a network is gone for 20 s.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertWhole, hasAll, idsOf, logOf, Network, post, says, seenBy, settled } from "./network.mjs";
import { isWriting } from "./support.mjs";

/** How long the network is gone. */
const OFFLINE_MS = 20_000;

// Slow enough that a job outlives a connection of the cutting way.
const network = Network.forThisFile({ speed: 8 });

const passes = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

network.everywhere("a job is followed to its end", async (visit) => {
  const job = await visit.submit(post("Why rivers meander", { words: 500, voiceover: true }));
  const page = await visit.watch(job);
  await says(page, settled(visit.way));
  if (visit.way === "buffering") {
    const { states } = await seenBy(page);
    const { at } = states.find(({ phase }) => phase === "polling");
    // From the page's beginning: what the issue asks for is 5 s.
    assert.ok(at < 5_000, `polling after ${Math.round(at)} ms`);
  }
  await assertWhole(page, visit.server);
  const { events, states } = await seenBy(page);
  assert.equal(events.filter(({ type }) => type === "tts_completed").length, 1);
  const phases = new Set(states.map(({ phase }) => phase));
  // Whether a connection lives long enough to be cut is the machine's affair.
  if (visit.way === "cutting") phases.delete("reconnecting");
  assert.deepEqual([...phases], ["connecting", settled(visit.way), "ended"]);
});

test("a connection that is cut again and again is there again each time", () => network.visit("cutting", async (visit) => {
  const producer = await visit.external();
  const page = await visit.watch(producer.job);
  for (const words of ["Before", "After one cut", "After two"]) {
    await says(page, "live");
    await producer.write(words);
    await hasAll(page, producer);
    await says(page, "reconnecting");
  }
  await producer.complete();
  await assertWhole(page, visit.server);
}));

for (const transport of ["fetch", "eventsource", "long-poll", "poll"]) {
  test(`whatever carries them, the events are the same (${transport})`, () => network.visit("plain", async (visit) => {
    const producer = await visit.external();
    const page = await visit.watch(producer.job, { transport });
    await page.waitForSelector(`#badge[data-carrier=${transport}]`, { state: "attached" });
    await producer.write("Carried");
    await hasAll(page, producer);
    await producer.complete();
    await assertWhole(page, visit.server);
    const carriers = new Set((await seenBy(page)).states.map(({ carrier }) => carrier));
    assert.deepEqual([...carriers].filter((carrier) => carrier !== null), [transport]);
  }));
}

network.everywhere("a reload in the middle begins again and has everything once", async (visit) => {
  const producer = await visit.external();
  const page = await visit.watch(producer.job);
  await producer.write("Before");
  await hasAll(page, producer);
  await Promise.all([page.reload(), producer.write("Meanwhile")]);
  await hasAll(page, producer);
  await producer.complete();
  await assertWhole(page, visit.server);
});

network.everywhere("a reload that remembers its cursor goes on where it was", async (visit) => {
  const producer = await visit.external();
  const page = await visit.watch(producer.job, { remember: true });
  await producer.write("Before");
  await hasAll(page, producer);
  await Promise.all([page.reload(), producer.write("Meanwhile")]);
  await producer.complete();
  await page.waitForSelector("#post[data-shown=all]", { state: "attached" });
  const before = await page.evaluate(() => window.before);
  const ids = [idsOf(before), idsOf(await seenBy(page))];
  assert.ok(ids[0].length >= 20 && ids[1].length > 0);
  assert.deepEqual(ids.flat(), (await logOf(visit.server, producer.job)).map(({ id }) => id));
});

network.everywhere("canceling ends it, and keeps what was written", async (visit) => {
  const page = await visit.watch(await visit.submit(post("A history of maps [slow]")));
  await isWriting(page);
  await page.evaluate(() => window.client.cancel(document.querySelector("#job").dataset.job));
  await assertWhole(page, visit.server, { status: "canceled" });
  assert.ok((await page.locator("#post").textContent()).length >= 200);
});

network.everywhere("a failure is told, and trying again is another job", async (visit) => {
  const job = await visit.submit(post("Volcanoes [fail]", { words: 100 }));
  const page = await visit.watch(job);
  await assertWhole(page, visit.server, { status: "failed" });
  await page.evaluate(async (failed) => {
    const { kind, input } = await window.client.get(failed);
    const again = await window.client.submit({ kind, input: { ...input, topic: "Volcanoes" }, retry_of: failed });
    location.hash = `job=${again.job_id}`;
  }, job);
  await page.waitForFunction((failed) => document.querySelector("#job").dataset.job !== failed, job);
  await assertWhole(page, visit.server);
});

network.everywhere("a network that is gone for 20 s is missed, and its return noticed", async (visit) => {
  const producer = await visit.external();
  const page = await visit.watch(producer.job);
  await says(page, settled(visit.way));
  await producer.write("Before");
  await hasAll(page, producer);
  await visit.context.setOffline(true);
  visit.wire.cut();
  await says(page, "reconnecting");
  await producer.write("Meanwhile");
  await passes(OFFLINE_MS);
  assert.equal(await page.getAttribute("#badge", "data-phase"), "reconnecting");
  visit.wire.mend();
  await visit.context.setOffline(false);
  await hasAll(page, producer);
  await producer.write("After");
  await producer.complete();
  await assertWhole(page, visit.server);
});

test("a server that is killed and started again loses nothing, behind each way", () => network.visitAll(async (visits) => {
  const pages = await Promise.all(visits.map(async (visit) => {
    const page = await visit.watch(await visit.submit(post("How tides are made")));
    await isWriting(page);
    return page;
  }));
  await network.server.kill();
  await Promise.all(pages.map((page) => says(page, "reconnecting")));
  await network.server.start();
  // What the crash took is told by a gap: the ids are those of two histories.
  await Promise.all(pages.map((page) => assertWhole(page, network.server, { events: false })));
}));
