// The page, in a browser, against a real server: what a reader may do to it, and what must hold.
//
// Nothing here sleeps. Every wait is for something that can be seen on the page.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { load } from "./bundle.mjs";
import { generate, isOver, isWriting, jobOf, launch, openPage, picture, postText, Server, Wire } from "./support.mjs";

/** Long enough to be in the middle of; silent, where the narration is not the point. */
const LONG = { words: 2_000, voiceover: false };

const { parse, plainText } = await load("studio/markdown/markdown.ts");

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

async function open(hash = "", within = context) {
  const page = await openPage(within, `${server.url}/${hash}`);
  pages.push(page);
  return page;
}

/** The whole post, once, and every sign that the job is over. */
async function assertComplete(page) {
  await isOver(page, "completed");
  const markdown = await server.markdown(jobOf(page));
  assert.equal(await postText(page), plainText(parse(markdown)));
  assert.equal(await page.getAttribute("#bar", "aria-valuenow"), "100");
  await page.waitForSelector("#badge[data-phase=ended]");
  assert.equal(await page.locator(".caret").count(), 0);
  assert.ok(await page.locator("#cancel").isHidden());
}

/** Waits until the narration can be played, and says how long it is in seconds. */
async function narrationLength(page) {
  const audio = page.locator("#audio audio");
  const known = page.waitForFunction(() => {
    const element = document.querySelector("#audio audio");
    return element.readyState >= HTMLMediaElement.HAVE_METADATA && element.duration > 0 && element.duration;
  });
  const handle = await known.catch(async (error) => {
    const state = await audio.evaluate(({ src, readyState, networkState, error: own }) => ({
      src, readyState, networkState, error: own?.message,
    }));
    throw new Error(`${error.message} ${JSON.stringify(state)}`);
  });
  return handle.jsonValue();
}

test("the post appears while it is being written", async () => {
  const page = await open();
  const job = await generate(page, "Why rivers meander", LONG);
  await isWriting(page);
  await page.waitForSelector("#badge[data-phase=live]");
  const early = await postText(page);
  await assertComplete(page);
  assert.ok((await postText(page)).length > early.length);
  assert.equal(jobOf(page), job);
  for (const kind of ["markdown", "html"]) {
    const address = await page.getAttribute(`#files a[data-kind=${kind}]`, "href");
    const response = await fetch(new URL(address, server.url));
    assert.equal(response.status, 200, kind);
  }
});

test("the narration is heard at or before the end, and no bar is full before it", async () => {
  const page = await open();
  await page.evaluate(() => {
    window.noted = [];
    const note = () => document.querySelector("#job").dataset.job && window.noted.push({
      status: document.querySelector("#job").dataset.status,
      bar: Number(document.querySelector("#bar").getAttribute("aria-valuenow")),
      parts: Number(document.querySelector(".parts").getAttribute("aria-valuenow")),
      ready: !document.querySelector(".audio-ready").hidden,
    });
    new MutationObserver(note).observe(document.querySelector("#job"), { subtree: true, attributes: true });
  });
  await generate(page, "How lighthouses shaped the coast");
  assert.ok(await narrationLength(page) > 1);
  await assertComplete(page);

  const noted = await page.evaluate(() => window.noted);
  const early = noted.filter(({ ready }) => !ready);
  assert.ok(early.every(({ bar, parts }) => bar < 100 && parts < 100));
  assert.ok(early.every(({ status }) => status !== "completed"), "the end came before the narration");

  const address = await page.getAttribute(".download", "href");
  const response = await fetch(new URL(address, server.url));
  assert.match(response.headers.get("content-type"), /^audio\//);
  assert.match(await page.getAttribute(".download", "download"), /^how-lighthouses-shaped-the-coast\.\w+$/);

  // It began by itself, since it was made in front of the reader.
  await page.waitForFunction(() => document.querySelector("#audio audio").currentTime > 0);
  assert.equal(await page.getAttribute(".play", "aria-label"), "Pause");
  await page.click(".play");
  await page.waitForFunction(() => document.querySelector("#audio audio").paused);
  assert.equal(await page.getAttribute(".play", "aria-label"), "Play");
});

test("a narration that could not be fetched at first is fetched again", async () => {
  const page = await open();
  let refused = 0;
  await page.route("**/api/artifacts/**", (route) => {
    if (route.request().resourceType() !== "media" || refused === 2) return route.continue();
    refused += 1;
    return route.abort("connectionreset");
  });
  await generate(page, "Why bells ring", { words: 100 });
  assert.ok(await narrationLength(page) > 1);
  assert.equal(refused, 2);
});

test("a text can be read aloud without a post", async () => {
  const page = await open();
  await page.click("#nav a[data-section=narration]");
  await page.fill("#text", "The water just below a dam is its tailwater.");
  await page.click("#read-aloud");
  assert.ok(await narrationLength(page) > 0.2);
  await page.waitForSelector("#job[data-status=completed]");
});

test("a reload in the middle shows everything, once", async () => {
  const page = await open();
  await generate(page, "A beginner's guide to sourdough", LONG);
  await isWriting(page);
  await page.reload();
  await isWriting(page);
  await page.reload();
  await assertComplete(page);
  await page.reload();
  await assertComplete(page);
});

test("two tabs show the same", async () => {
  const first = await open();
  const job = await generate(first, "What makes a city walkable", LONG);
  await isWriting(first);
  const second = await open(`#job=${job}`);
  await isWriting(second, 1);
  await Promise.all([assertComplete(first), assertComplete(second)]);
  assert.equal(await postText(first), await postText(second));
});

test("five tabs show the same", async () => {
  const first = await open();
  const job = await generate(first, "The quiet art of repairing things", LONG);
  const others = await Promise.all([1, 2, 3, 4].map(() => open(`#job=${job}`)));
  await Promise.all([first, ...others].map(assertComplete));
});

test("a server that is killed and started again in the middle loses nothing", async () => {
  const page = await open();
  const job = await generate(page, "How tides are made", { words: 800 });
  await isWriting(page);
  await server.kill();
  await page.waitForSelector("#badge[data-phase=reconnecting]");
  await server.start();
  await assertComplete(page);
  assert.ok(await narrationLength(page) > 0);
  assert.ok((await server.json(`/api/jobs/${job}`)).attempt >= 2);
});

test("a network that is gone in the middle is noticed, and its return too", async () => {
  const wire = await Wire.to(server.url);
  const page = await openPage(context, wire.url);
  pages.push(page);
  await generate(page, "Bridges, and what they carry", LONG);
  await isWriting(page);
  await context.setOffline(true);
  wire.cut();
  await page.waitForSelector("#badge[data-phase=reconnecting][data-reason*=offline]");
  wire.mend();
  await context.setOffline(false);
  await assertComplete(page);
  wire.close();
});

test("a connection that dies without a word is noticed by its silence", async () => {
  const wire = await Wire.to(server.url);
  const page = await openPage(context, wire.url);
  pages.push(page);
  await generate(page, "Echoes, and where they go", LONG);
  await isWriting(page);
  wire.silence();
  await page.waitForSelector("#badge[data-phase=reconnecting]");
  wire.mend();
  await assertComplete(page);
  wire.close();
});

test("cancel keeps what was written", async () => {
  const page = await open();
  await generate(page, "A history of maps [slow]", LONG);
  await isWriting(page);
  await page.click("#cancel");
  await isOver(page, "canceled");
  const kept = await postText(page);
  assert.ok(kept.length >= 200);
  await picture(page, "light-canceled");
  await page.reload();
  await isOver(page, "canceled");
  assert.equal(await postText(page), kept);
  assert.ok(Number(await page.getAttribute("#bar", "aria-valuenow")) < 100);
  assert.ok(await page.locator("#again").isVisible());
});

test("a link brings everything back in another browser", async () => {
  const page = await open();
  const job = await generate(page, "Why bread rises");
  await assertComplete(page);
  const elsewhere = await browser.newContext();
  const other = await open(`#job=${job}`, elsewhere);
  await assertComplete(other);
  assert.ok(await narrationLength(other) > 0);
  assert.equal(await other.textContent("#job-title"), "Why bread rises");
  await elsewhere.close();
});

test("a failure is said, and trying again makes a new job", async () => {
  const page = await open();
  const first = await generate(page, "Volcanoes [fail]");
  await page.waitForSelector("#job[data-status=failed]");
  assert.ok((await page.textContent("#outcome")).length > 0);
  await picture(page, "light-failed");
  await page.click("#again");
  await page.waitForFunction((old) => !location.hash.includes(old), first);
  await page.waitForSelector("#job[data-status=failed]");
  assert.notEqual(jobOf(page), first);
});

test("bad input is said at its field", async () => {
  const page = await open();
  await page.click("#generate");
  await page.waitForSelector("#topic-error:not([hidden])");
  assert.match(await page.textContent("#topic-error"), /^The topic /);
  assert.equal(await page.getAttribute("#topic", "aria-invalid"), "true");
  assert.ok(await page.locator("#topic").evaluate((field) => field === document.activeElement));
  await picture(page, "light-bad-input");

  await page.fill("#topic", "x".repeat(5_000));
  await page.click("#generate");
  await page.waitForFunction(() => document.querySelector("#topic-error").textContent.includes("5000"));
});

test("an unknown job is said to be unknown", async () => {
  const page = await open("#job=job_01arz3ndektsv4rrffq69g5fav");
  await page.waitForSelector("#lost:not([hidden])");
});

test("the inspector shows every event, filters, and keeps to its bound", async () => {
  const page = await open();
  await generate(page, "Clouds and their names");
  await assertComplete(page);
  await page.click("#inspector > summary");
  await page.waitForSelector("tr[data-type=hello]");
  for (const type of ["status", "content", "artifact_ready", "tts_completed", "completed"]) {
    assert.ok(await page.locator(`tr[data-type=${type}]`).count() > 0, type);
  }
  const ids = await page.locator("#inspector tbody tr:not(.control) td:first-child").allTextContents();
  assert.deepEqual(ids.map(Number), [...new Set(ids.map(Number))].sort((left, right) => left - right));
  assert.ok(ids.length <= 500);
  await page.fill("#event-filter", "tts_completed");
  await page.waitForFunction(() => [...document.querySelectorAll("#inspector tbody tr")]
    .every((row) => row.textContent.includes("tts_completed")));
  await page.fill("#event-filter", "");
  await page.uncheck("#event-control");
  await page.waitForFunction(() => document.querySelector("tr.control") === null);
});

test("what is simulated is said, and recent jobs lead back", async () => {
  const page = await open();
  await page.waitForSelector(".notice");
  assert.match(await page.textContent("#notices"), /Simulated/);
  const job = await generate(page, "Wool, from sheep to sweater", { voiceover: false });
  await assertComplete(page);
  await page.click("#nav a[data-section=blog]");
  await page.click(`#recent a[href="#job=${job}"]`);
  await assertComplete(page);
});

test("a whole visit needs no mouse", async () => {
  const page = await open();
  await page.waitForFunction(() => document.activeElement.id === "topic");
  await page.keyboard.type("Why cats purr");
  await page.keyboard.press("Control+Enter");
  await page.waitForURL(/#job=job_/);
  await narrationLength(page);
  await page.focus(".play");
  await page.keyboard.press("Space");
  await page.waitForFunction(() => document.querySelector("#audio audio").currentTime > 0);
});

test("it has a face for light, dark and a phone", async () => {
  const faces = {
    light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
    dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
    phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  };
  for (const [name, options] of Object.entries(faces)) {
    const face = await browser.newContext(options);
    const page = await open("", face);
    await page.waitForSelector(".notice");
    await picture(page, `${name}-form`);
    await generate(page, `Why rivers meander, ${name}`);
    await isWriting(page, 500);
    await picture(page, `${name}-writing`);
    await narrationLength(page);
    await isOver(page, "completed");
    await page.waitForSelector(".wave[data-drawn]");
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(sideways, false, `${name} scrolls sideways`);
    await picture(page, `${name}-done`);
    await face.close();
  }
});
