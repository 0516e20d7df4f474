// A hundred narrations in a row on the studio's page: none gets stuck under 100 %, and each panel says
// 100 % as soon as the browser has the event.
//
// Measured inside the page, from the moment in which `tts_completed` is handed to the page's script
// to the change in the document; so it is the page that is measured, and not the network.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Network } from "./network.mjs";

const NARRATIONS = 100;
/** What 95 of 100 have to keep to, in milliseconds. */
const P95_MS = 50;

const network = Network.forThisFile({ speed: 15, options: ["--start-jitter", "0"] });

test("a hundred narrations in a row reach 100 % at once", (t) => network.visit("plain", async (visit) => {
  await visit.context.addInitScript(measure);
  const page = await visit.studio();
  for (let index = 0; index < NARRATIONS; index += 1) {
    const job = await visit.submit({ kind: "voiceover", input: { text: "What the river says" } });
    await page.evaluate((id) => { location.hash = `job=${id}`; }, job);
    await page.waitForFunction((wanted) => window.measured.some((one) => one.job === wanted), job);
    await page.waitForSelector(`#job[data-job=${job}][data-status=completed]`);
  }
  const measured = await page.evaluate(() => window.measured);
  assert.deepEqual(await page.evaluate(() => window.early), [], "100 % before the narration was there");
  assert.equal(measured.length, NARRATIONS);
  const delays = measured.map(({ ms }) => ms).sort((left, right) => left - right);
  const [p50, p95, most] = [0.5, 0.95, 1].map((part) => delays[Math.ceil(part * NARRATIONS) - 1]);
  t.diagnostic(`tts_completed to 100 %: p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, most ${most.toFixed(1)} ms`);
  assert.ok(p95 < P95_MS, `p95 is ${p95.toFixed(1)} ms`);
}));

/** Runs in the page, before anything of its own. */
function measure() {
  const NAME = "event: tts_completed";
  window.measured = [];
  window.early = [];
  let arrivedAt = null;

  const ask = window.fetch;
  window.fetch = async (...request) => {
    const response = await ask(...request);
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
    return isStream ? noting(response) : response;
  };

  function noting({ body, status, headers }) {
    const decoder = new TextDecoder();
    let tail = "";
    const pass = new TransformStream({
      transform(bytes, controller) {
        const text = tail + decoder.decode(bytes, { stream: true });
        if (text.includes(NAME)) arrivedAt = performance.now();
        // Not so much that a whole name could be found again.
        tail = text.slice(1 - NAME.length);
        controller.enqueue(bytes);
      },
    });
    return new Response(body.pipeThrough(pass), { status, headers });
  }

  const observer = new MutationObserver((records) => {
    const panel = records.find(({ target }) => target.matches(".parts"))?.target;
    if (panel?.getAttribute("aria-valuenow") !== "100") return;
    const { job } = document.querySelector("#job").dataset;
    // Said again, it is nothing new.
    if (window.measured.some((one) => one.job === job)) return;
    if (arrivedAt === null) window.early.push(job);
    else window.measured.push({ job, ms: performance.now() - arrivedAt });
    arrivedAt = null;
  });
  observer.observe(document, { subtree: true, attributeFilter: ["aria-valuenow"] });
}
