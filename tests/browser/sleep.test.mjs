// A page that is frozen while its connections die, as under a laptop's closed lid, behind a real nginx.
//
// Nothing here waits for time to pass, but where that is what happens: the laptop sleeps.

import assert from "node:assert/strict";
import { after, before } from "node:test";

import { Laptop } from "./laptop.mjs";
import { assertWhole, hasAll, Network, says, seenBy, settled } from "./network.mjs";

/** Longer than any poll is held, so that no way finds its connection good by luck. */
const SLEEP_MS = 23_000;

/** What the badge says of a sleep: what died without a word is doubted, what was cut meanwhile is gone. */
const NOTICED = {
  plain: /may have died while the page was away/,
  buffering: /held back on the way|did not come/,
  cutting: /cannot be reached/,
};

const network = Network.forThisFile();

let laptop;
before(async () => { laptop = await Laptop.start(); });
after(() => laptop?.stop());

network.everywhere("a laptop that slept while its connections died wakes up to everything", async (visit) => {
  const producer = await visit.external();
  const page = await laptop.open(`${visit.wire.url}/test/watch.html#job=${producer.job}`);
  await says(page, settled(visit.way));
  await producer.write("While awake");
  await hasAll(page, producer);
  await laptop.sleep(page);
  visit.wire.silence();
  const asleep = await page.evaluate(() => ({ now: performance.now(), seen: window.seen.events.length }));
  await producer.write("While asleep");
  await new Promise((resolve) => { setTimeout(resolve, SLEEP_MS); });
  assert.equal((await seenBy(page)).events.length, asleep.seen, "the page was awake");
  visit.wire.reroute();
  await laptop.wake(page);
  await hasAll(page, producer);
  await producer.write("And awake again");
  await producer.complete();
  await assertWhole(page, visit.server);
  const { states } = await seenBy(page);
  const reasons = states.filter(({ at }) => at > asleep.now).map(({ reason }) => reason);
  assert.ok(reasons.some((reason) => NOTICED[visit.way].test(reason)), JSON.stringify(reasons));
});
