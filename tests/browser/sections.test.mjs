// Each section of the studio behind a real nginx, from its form to the result.
//
// Nothing here sleeps. Every wait is for something that can be seen on the page.

import assert from "node:assert/strict";

import { load } from "./bundle.mjs";
import { logOf, Network } from "./network.mjs";
import { generate, isOver, isWriting, jobOf, postText } from "./support.mjs";

const { parse, plainText } = await load("studio/markdown/markdown.ts");

const network = Network.forThisFile({ speed: 8, options: ["--workers", "6"] });

/** A subject that no other test has: identical tasks in flight are one. */
const about = (visit, subject) => `${subject}, ${visit.way}`;

/** What the badge may say behind each way while all is well, in this order. */
const PHASES = {
  plain: /^idle connecting live ended$/,
  // Who polls tries a stream now and then, and a buffer that is full lets it through.
  buffering: /^idle connecting (polling )?(live )?ended$/,
  cutting: /^idle connecting live (reconnecting (live )?)*ended$/,
};

/** Every event once, in order, as the inspector has them; the badge as it has to be. */
async function assertFollowed(page, visit, status = "completed") {
  await isOver(page, status);
  await page.waitForSelector("#badge[data-phase=ended]", { state: "attached" });
  await page.click("#inspector > summary");
  const log = (await logOf(visit.server, jobOf(page))).map(({ id }) => String(id)).slice(-400);
  // It keeps the last 500 rows, and the events of the connection are among them.
  await page.waitForFunction((last) => {
    const cells = [...document.querySelectorAll("#inspector tbody tr:not(.control) td:first-child")];
    return cells.at(-1)?.textContent === last;
  }, log.at(-1));
  const shown = await page.locator("#inspector tbody tr:not(.control) td:first-child").allTextContents();
  assert.deepEqual(shown.slice(-log.length), log);
  assert.equal(new Set(shown).size, shown.length, "no event twice");
}

async function assertBadge(page, visit) {
  const phases = await page.evaluate(() => window.phases);
  assert.match(phases.map(({ phase }) => phase).join(" "), PHASES[visit.way]);
  return phases;
}

async function assertPost(page, visit) {
  assert.equal(await postText(page), plainText(parse(await visit.server.markdown(jobOf(page)))));
}

/** Waits until something can be played, and says how many seconds it has. */
async function playable(page, selector) {
  const known = await page.waitForFunction((wanted) => {
    const element = document.querySelector(wanted);
    return element?.readyState >= HTMLMediaElement.HAVE_METADATA && element.duration;
  }, selector);
  return known.jsonValue();
}

/** Fills the form of a model and submits it. */
async function make(page, section, inputs) {
  await page.waitForSelector(`#make[data-section=${section}]:not([aria-busy])`);
  for (const [name, value] of Object.entries(inputs)) await page.fill(`#input-${name}`, value);
  await page.click("#make-submit");
  await page.waitForURL(/#job=job_/);
}

network.everywhere("a post with its narration", async (visit) => {
  const page = await visit.studio();
  await generate(page, about(visit, "Why rivers meander"), { words: 400 });
  await assertFollowed(page, visit);
  await assertPost(page, visit);
  assert.equal(await page.getAttribute(".parts", "aria-valuenow"), "100");
  assert.equal(await page.getAttribute("#bar", "aria-valuenow"), "100");
  assert.ok(await playable(page, "#audio audio") > 1);
  const phases = await assertBadge(page, visit);
  if (visit.way === "buffering") {
    const [connecting, polling] = ["connecting", "polling"].map((wanted) => phases.find(({ phase }) => phase === wanted));
    assert.ok(polling.at - connecting.at < 5_000, `polling after ${Math.round(polling.at - connecting.at)} ms`);
  }
});

network.everywhere("a text that is read aloud", async (visit) => {
  const page = await visit.studio("#/narration");
  await page.fill("#text", `${about(visit, "The water just below a dam")}, is its tailwater.`);
  await page.click("#read-aloud");
  await page.waitForURL(/#job=job_/);
  await assertFollowed(page, visit);
  assert.equal(await page.getAttribute(".parts", "aria-valuenow"), "100");
  assert.ok(await playable(page, "#audio audio") > 0.2);
  await assertBadge(page, visit);
});

network.everywhere("an image", async (visit) => {
  const page = await visit.studio("#/image");
  await make(page, "image", { prompt: about(visit, "A lighthouse in fog") });
  await assertFollowed(page, visit);
  await page.waitForFunction(() => document.querySelector("#media img")?.naturalWidth > 100);
  await assertBadge(page, visit);
});

network.everywhere("a video", async (visit) => {
  const page = await visit.studio("#/video");
  await make(page, "video", { prompt: about(visit, "A red kite over a grey sea") });
  await assertFollowed(page, visit);
  assert.ok(await playable(page, "#media video") > 1);
  await assertBadge(page, visit);
});

network.everywhere("a picture that speaks", async (visit) => {
  const { server } = visit;
  const [image, voice] = await Promise.all([
    madeBy(server, { kind: "image", model: "bfl/flux-2-pro", input: { prompt: about(visit, "A face") } }),
    madeBy(server, { kind: "voiceover", input: { text: about(visit, "What the face says") } }),
  ]);
  const page = await visit.studio("#/lip-sync");
  await page.waitForSelector("#make[data-section=lip-sync]:not([aria-busy])");
  await page.setInputFiles("#input-image-file", { name: "face", mimeType: "image/png", buffer: image });
  await page.setInputFiles("#input-audio-file", { name: "words", mimeType: "audio/wav", buffer: voice });
  await make(page, "lip-sync", {});
  await assertFollowed(page, visit);
  assert.ok(await playable(page, "#media video") > 0);
  await assertBadge(page, visit);
});

network.everywhere("a reload in the middle", async (visit) => {
  const page = await visit.studio();
  await generate(page, about(visit, "A beginner's guide to sourdough"), { words: 1_500, voiceover: false });
  await isWriting(page);
  await page.reload();
  await assertFollowed(page, visit);
  await assertPost(page, visit);
});

network.everywhere("a cancel in the middle", async (visit) => {
  const page = await visit.studio();
  await generate(page, about(visit, "A history of maps [slow]"), { voiceover: false });
  await isWriting(page);
  await page.click("#cancel");
  await assertFollowed(page, visit, "canceled");
  assert.ok((await postText(page)).length >= 200);
});

network.everywhere("a failure, and another try", async (visit) => {
  const page = await visit.studio("#/image");
  await make(page, "image", { prompt: about(visit, "A volcano [fail]") });
  await assertFollowed(page, visit, "failed");
  const failed = jobOf(page);
  await page.click("#again");
  await page.waitForFunction((job) => !location.hash.includes(job), failed);
  await isOver(page, "failed");
  assert.notEqual(jobOf(page), failed);
});

/** The bytes of the first file of a job that is submitted for it. */
async function madeBy(server, job) {
  const { job_id: id } = await server.submit(job);
  for (;;) {
    const { events, ended, next } = await server.json(`/api/jobs/${id}/events?wait=20`);
    if (events.length > 0 && ended && next >= events.at(-1).id) break;
  }
  const { artifacts } = await server.json(`/api/jobs/${id}`);
  const response = await fetch(new URL(artifacts[0].url, server.url));
  return Buffer.from(await response.arrayBuffer());
}
