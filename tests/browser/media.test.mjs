// Videos and images on the page: while they are made, when they are there, and when they never come.
//
// Nothing here sleeps. Every wait is for something that can be seen on the page.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { isOver, launch, openPage, picture, Server } from "./support.mjs";

const KITE = { kind: "video", model: "wan-2-5-t2v", input: { prompt: "A red kite over a grey sea" } };
const FOG = { kind: "image", model: "bfl/flux-2-pro", input: { prompt: "A lighthouse in fog, oil on canvas" } };

let server;
let browser;
let context;
let pages;

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(async () => {
  context = await browser.newContext();
  pages = [];
});
afterEach(async () => {
  const complaints = pages.flatMap((page) => page.complaints);
  await context.close();
  assert.deepEqual(complaints, []);
});

async function open(hash, within = context) {
  const page = await openPage(within, `${server.url}/${hash}`);
  pages.push(page);
  return page;
}

/** The same job with other words in its prompt: identical tasks in flight are one. */
const saying = (job, prompt) => ({ ...job, input: { ...job.input, prompt } });

/** Submits a job by the API and opens it. */
async function show(job, within = context) {
  const { job_id: id } = await server.submit(job);
  return open(`#job=${id}`, within);
}

/** Waits until the provider is at work on it, and the frame says so. */
const isMaking = (page) => page.waitForFunction(() => {
  const frame = document.querySelector(".frame");
  const percent = Number(document.querySelector("#bar").getAttribute("aria-valuenow"));
  return !frame.hidden && percent > 2 && percent < 92 && /is being made/.test(frame.textContent);
});

/** Waits until the video can be played, and says what it is. */
async function playable(page) {
  const known = await page.waitForFunction(() => {
    const video = document.querySelector("#media video");
    return video?.readyState >= HTMLMediaElement.HAVE_METADATA && {
      seconds: video.duration, width: video.videoWidth, label: video.getAttribute("aria-label"),
    };
  });
  return known.jsonValue();
}

/** Waits until the image is there, and says how wide it is. */
async function visible(page) {
  const known = await page.waitForFunction(() => document.querySelector("#media img")?.naturalWidth);
  return known.jsonValue();
}

const text = (page, selector) => page.locator(selector).innerText();

test("a video is shown while it is made and played when it is there", async () => {
  const page = await show(saying(KITE, "A red kite over a grey sea [slow]"));
  await isMaking(page);
  await page.waitForFunction(() => document.querySelector("#media .cost").textContent === "held 0.50 credits");
  assert.equal(await page.locator("#media video").count(), 0);
  for (const absent of ["#post", "#audio", "#files"]) assert.ok(await page.locator(absent).isHidden(), absent);

  const { seconds, width, label } = await playable(page);
  assert.ok(seconds > 1 && width > 0);
  assert.match(label, /^A red kite/);
  await isOver(page, "completed");
  assert.ok(await page.locator(".frame").isHidden());
  assert.equal(await text(page, "#media .cost"), "cost 0.30 credits");
  assert.equal(await text(page, "#media .simulated"), "Simulated");
  assert.match(await text(page, ".picture-facts span"), /^640 × 360 · 0:03 · \d+ kB$/);
  await page.waitForFunction(() => /Wan 2\.5, text to video$/.test(document.querySelector("#job-options").textContent));

  const address = await page.getAttribute("#media .download", "href");
  const response = await fetch(new URL(address, server.url));
  assert.equal(response.headers.get("content-type"), "video/mp4");
  assert.match(await page.getAttribute("#media .download", "download"), /^a-red-kite-over-a-grey-sea.*\.mp4$/);

  await page.evaluate(() => document.querySelector("#media video").play());
  await page.waitForFunction(() => document.querySelector("#media video").currentTime > 0);
});

test("an image is shown with its words for those who cannot see it", async () => {
  const page = await show(FOG);
  assert.ok(await visible(page) > 100);
  await isOver(page, "completed");
  assert.equal(await page.getAttribute("#media img", "alt"), FOG.input.prompt);
  assert.equal(await text(page, "#job-title"), FOG.input.prompt);
  assert.equal(await text(page, "#media .cost"), "cost 0.06 credits");
  assert.equal(await text(page, "#media .slug"), "bfl/flux-2-pro");
  assert.match(await page.getAttribute("#media .download", "download"), /\.(?:jpg|png|webp)$/);
});

test("a reload in the middle and one at the end show the same video, once", async () => {
  const page = await show(saying(KITE, "A kite that is watched twice [slow]"));
  await isMaking(page);
  await page.reload();
  await isMaking(page);
  await playable(page);
  await isOver(page, "completed");
  const facts = await text(page, "#media");
  await page.reload();
  await playable(page);
  await isOver(page, "completed");
  await page.waitForFunction((wanted) => document.querySelector("#media").innerText === wanted, facts);
  assert.equal(await page.locator("#media video").count(), 1);
});

test("a video that could not be fetched at first is fetched again", async () => {
  const page = await open("");
  let refused = 0;
  await page.route("**/api/artifacts/**", (route) => {
    if (route.request().resourceType() !== "media" || refused === 1) return route.continue();
    refused += 1;
    return route.abort("connectionreset");
  });
  const { job_id: id } = await server.submit(saying(KITE, "A kite behind a bad line"));
  await page.evaluate((wanted) => { location.hash = `job=${wanted}`; }, id);
  await playable(page);
  assert.equal(refused, 1);
});

test("a server that is killed in the middle says how the video ended", async () => {
  const page = await show(saying(KITE, "A kite in a power cut [slow]"));
  await isMaking(page);
  await server.kill();
  await page.waitForSelector("#badge[data-phase=reconnecting]");
  await server.start();
  // Its simulated providers lived in the same process, and have forgotten it.
  await isOver(page, "failed");
  assert.ok((await text(page, "#outcome")).length > 0);
  assert.equal(await text(page, "#media .cost"), "nothing was charged");
  assert.ok(await page.locator(".frame").isHidden());
});

test("a canceled video costs nothing and can be made again", async () => {
  const page = await show(saying(KITE, "A kite that is called back [slow]"));
  await isMaking(page);
  await page.click("#cancel");
  await isOver(page, "canceled");
  assert.ok(await page.locator(".frame").isHidden());
  assert.equal(await text(page, "#outcome"), "Canceled before anything was made.");
  assert.equal(await text(page, "#media .cost"), "nothing was charged");
  const first = page.url();
  await page.click("#again");
  await page.waitForFunction((old) => location.href !== old, first);
  await isMaking(page);
});

test("a failure is said, and costs nothing", async () => {
  const page = await show(saying(FOG, "Fog [moderated]"));
  await isOver(page, "failed");
  assert.ok((await text(page, "#outcome")).length > 0);
  assert.equal(await text(page, "#media .cost"), "nothing was charged");
  assert.equal(await page.locator("#media img").count(), 0);
});

test("recent jobs say what they are, and what is simulated is said", async () => {
  const { job_id: id } = await server.submit(saying(FOG, "A lamp in a window"));
  const page = await open("");
  const entry = page.locator(`#recent a[href="#job=${id}"]`);
  assert.equal(await entry.locator(".mark").innerText(), "Image");
  assert.equal(await entry.locator(".name").innerText(), "A lamp in a window");
  await page.waitForSelector(".notice");
  assert.match(await text(page, "#notices"), /Text, narrations, images and videos come from a simulator/);
  await page.click(".notice summary");
  assert.equal(await page.locator(".notice a").count(), 5);
  await entry.click();
  assert.ok(await visible(page) > 100);
});

test("it has a face for light, dark and a phone", async () => {
  const faces = {
    light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
    dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
    phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  };
  for (const [name, options] of Object.entries(faces)) {
    const face = await browser.newContext(options);
    const page = await show(saying(KITE, `A red kite over a grey sea, late afternoon, ${name} [slow]`), face);
    await isMaking(page);
    await page.waitForSelector(".notice");
    await picture(page, `${name}-media-making`);
    await playable(page);
    await isOver(page, "completed");
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(sideways, false, `${name} scrolls sideways`);
    await picture(page, `${name}-media-done`);
    await page.click("#nav a[data-section=blog]");
    await page.waitForSelector("#recent .mark");
    await page.locator("#recent").scrollIntoViewIfNeeded();
    await picture(page, `${name}-media-recent`);
    const image = await show(saying({ ...FOG, input: { width: 768, height: 1024 } }, `Fog, ${name}`), face);
    await visible(image);
    await isOver(image, "completed");
    await picture(image, `${name}-media-image`);
    await face.close();
  }
});
