// The studio's sections: what is made in them, what it costs, and the list of all of it.
//
// Nothing here sleeps. Every wait is for something that can be seen on the page.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { deflateSync } from "node:zlib";

import { isOver, jobOf, launch, openPage, picture, Server } from "./support.mjs";

const SECTIONS = ["blog", "narration", "image", "video", "lip-sync", "jobs"];

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

const text = (page, selector) => page.locator(selector).innerText();
const credits = async () => (await server.json("/api/credits")).available;

/** Waits until a model's form is there. */
const isOffered = (page, title) => page.waitForFunction((wanted) => (
  !document.querySelector("#make").hasAttribute("aria-busy")
    && document.querySelector("#model-title").textContent === wanted
), title);

/** A picture of one colour. */
function png(width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  const rows = Buffer.alloc((width * 3 + 1) * height, 0);
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([magic, chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

function crc32(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

test("each section has an address, and the navigation says where one is", async () => {
  const page = await open("");
  for (const section of SECTIONS) {
    await page.click(`#nav a[data-section=${section}]`);
    await page.waitForSelector(`#nav a[data-section=${section}][aria-current=page]`);
    assert.match(page.url(), new RegExp(`#/${section}(?:\\?|$)`));
    assert.equal(await page.locator("#nav a[aria-current]").count(), 1);
    assert.equal(await page.locator("main h1:visible").count(), 1);
  }
  await page.goBack();
  await page.waitForSelector("#nav a[data-section=lip-sync][aria-current=page]");
});

test("an image is made from its form, and its price is held and taken before one's eyes", async () => {
  const page = await open("#/image?model=bfl/flux-2-pro");
  await isOffered(page, "FLUX.2 Pro");
  const balance = await credits();
  await page.waitForFunction(() => document.querySelector("#estimate").textContent.includes(" left"));
  assert.match(await text(page, "#estimate"), /^0\.06 credits at most · [\d.]+ left · simulated$/);
  await page.click("#example");
  assert.equal(await page.inputValue("#input-prompt"), "a lighthouse in fog, oil on canvas");
  await page.fill("#input-prompt", "A lighthouse that is made from a form");
  await page.click("#make-submit");
  await page.waitForURL(/#job=job_/);
  await page.waitForFunction(() => document.querySelector("#media img")?.naturalWidth > 0);
  await isOver(page, "completed");
  assert.equal(await text(page, "#media .cost"), "cost 0.06 credits");
  await page.waitForFunction((wanted) => document.querySelector("#balance .amount").textContent === wanted,
    ((balance - 60_000) / 1_000_000).toFixed(2));
});

test("a model is found by its name, and its form is its own", async () => {
  const page = await open("#/video");
  await isOffered(page, "Wan 2.5, text to video");
  await page.fill("#picker input[type=search]", "hailuo 02");
  await page.waitForFunction(() => document.querySelectorAll("#picker .model:not([hidden])").length === 1);
  await page.click("#picker .model:not([hidden])");
  await isOffered(page, "Hailuo 02");
  assert.ok(await page.locator("#input-first_frame_image").count() > 0);
  await page.fill("#picker input[type=search]", "nothing of the kind");
  await page.waitForSelector(".picker-none:not([hidden])");
});

test("what a model says is kept when another one is tried", async () => {
  const page = await open("#/video?model=wan-2-5-t2v");
  await isOffered(page, "Wan 2.5, text to video");
  await page.fill("#input-prompt", "A kite that is passed on");
  await page.locator("#picker input[value='kling-t2v']").check({ force: true });
  await isOffered(page, "Kling 2.5 Turbo Pro, text to video");
  assert.equal(await page.inputValue("#input-prompt"), "A kite that is passed on");
});

test("what was written is still there after a look elsewhere, and after a reload", async () => {
  const page = await open("#/image");
  await isOffered(page, "FLUX.2 Pro");
  await page.locator("#picker input[value='bfl/flux-2-max']").check({ force: true });
  await isOffered(page, "FLUX.2 Max");
  await page.fill("#input-prompt", "A lamp that is not lit yet");
  await page.click("#nav a[data-section=jobs]");
  await page.click("#nav a[data-section=image]");
  await isOffered(page, "FLUX.2 Max");
  assert.equal(await page.inputValue("#input-prompt"), "A lamp that is not lit yet");
  await page.reload();
  await isOffered(page, "FLUX.2 Max");
  assert.equal(await page.inputValue("#input-prompt"), "A lamp that is not lit yet");
});

test("the price follows what is chosen", async () => {
  const page = await open("#/video?model=wan-2-5-t2v");
  await isOffered(page, "Wan 2.5, text to video");
  await page.selectOption("#input-duration", "10");
  await page.selectOption("#input-size", "1920*1080");
  await page.waitForFunction(() => document.querySelector("#estimate").textContent.startsWith("1.50 credits"));
});

test("what a server refuses is said at its input, wherever that is", async () => {
  const page = await open("#/image?model=bfl/flux-2-pro");
  await isOffered(page, "FLUX.2 Pro");
  await page.fill("#input-prompt", "A lamp");
  await page.locator(".inputs-more").evaluate((more) => { more.open = true; });
  await page.fill("#input-safety_tolerance", "99");
  await page.fill("#input-width", "17");
  await page.locator(".inputs-more").evaluate((more) => { more.open = false; });
  await page.click("#make-submit");
  await page.waitForSelector("#input-width-error:not([hidden])");
  assert.match(await text(page, "#input-width-error"), /^Width must be .* not 17\.$/);
  assert.equal(await page.getAttribute("#input-width", "aria-invalid"), "true");
  assert.equal(await page.getAttribute("#input-safety_tolerance", "aria-invalid"), "true");
  await page.fill("#input-width", "");
  await page.click("#make-submit");
  await page.waitForFunction(() => document.activeElement?.id === "input-safety_tolerance");
  assert.ok(await page.locator("#input-safety_tolerance-error").isVisible());
});

test("a picture that is uploaded speaks a narration of an earlier job", async () => {
  const page = await open("#/narration");
  await page.fill("#text", "The water just below a dam is its tailwater.");
  await page.click("#read-aloud");
  await page.waitForSelector(".audio-ready:not([hidden])");
  await isOver(page, "completed");
  await page.click("#audio .speak");
  await isOffered(page, "Wan 2.2 S2V, a picture that speaks");
  await page.waitForSelector("[data-field=audio] .chosen audio");

  await page.setInputFiles("#input-image-file", { name: "face.png", mimeType: "image/png", buffer: png(256, 256) });
  await page.waitForSelector("[data-field=image] .chosen img");
  assert.match(await text(page, "[data-field=image] .chosen-facts"), /^face\.png · 256 × 256 · /);
  await page.fill("#input-prompt", "A face that speaks [slow]");
  await page.click("#make-submit");

  await page.waitForFunction(() => /^Generating… [1-9]\d? %$/.test(document.querySelector("#working").textContent));
  assert.equal(await text(page, "#status"), "In progress");
  assert.equal(await text(page, "#job-id"), jobOf(page));
  await page.waitForFunction(() => document.querySelector("#media video")?.readyState >= HTMLMediaElement.HAVE_METADATA);
  await isOver(page, "completed");
  assert.equal(await text(page, "#status"), "Succeeded");
  assert.ok(await page.locator("#working").isHidden());
  assert.match(await text(page, "#media .cost"), /^cost 0\.\d+ credits$/);
  assert.match(await text(page, "#media .returned"), /given back$/);
});

test("a narration that was made before the visit waits to be played", async () => {
  const { job_id: id } = await server.submit({ kind: "voiceover", input: { text: "It was said before." } });
  const first = await open(`#job=${id}`);
  await isOver(first, "completed");
  const page = await open("#/blog");
  // A page that somebody has clicked on may play what it likes.
  await page.click("h1:visible");
  await page.evaluate((job) => { location.hash = `job=${job}`; }, id);
  await isOver(page, "completed");
  await page.waitForFunction(() => document.querySelector("#audio audio").readyState >= HTMLMediaElement.HAVE_CURRENT_DATA);
  assert.ok(await page.locator("#audio audio").evaluate((audio) => audio.paused));
  assert.equal(await page.getAttribute(".play", "aria-label"), "Play");
});

test("an address is taken as a whole, not letter by letter", async () => {
  const page = await open("#/lip-sync");
  await isOffered(page, "Wan 2.2 S2V, a picture that speaks");
  await page.locator("#input-image").pressSequentially("https://a.example/face.png");
  assert.equal(await page.inputValue("#input-image"), "https://a.example/face.png");
  await page.keyboard.press("Tab");
  await page.waitForSelector("[data-field=image] .chosen li");
  assert.equal(await text(page, "[data-field=image] .chosen-facts"), "https://a.example/face.png, which the provider fetches");
  await page.click("[data-field=image] .remove");
  await page.waitForSelector("#input-image");
});

test("a catalog that cannot be fetched is said", async () => {
  const page = await open("#/jobs");
  await page.route("**/api/models*", (route) => route.abort("connectionreset"));
  await page.click("#nav a[data-section=video]");
  await page.waitForFunction(() => document.querySelector("#make-lead").textContent.startsWith("The models could not be fetched."));
});

test("a file that is no picture is refused at its input", async () => {
  const page = await open("#/lip-sync");
  await isOffered(page, "Wan 2.2 S2V, a picture that speaks");
  await page.setInputFiles("#input-image-file", { name: "face.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await page.waitForSelector("#input-image-error:not([hidden])");
  assert.match(await text(page, "#input-image-error"), /^Image could not be uploaded\. /);
});

test("a failure gives the credits back", async () => {
  const page = await open("#/image?model=bfl/flux-2-pro");
  await isOffered(page, "FLUX.2 Pro");
  await page.waitForFunction(() => document.querySelector("#balance .amount").textContent !== "–");
  const balance = await text(page, "#balance .amount");
  await page.fill("#input-prompt", "Fog that is held back [moderated]");
  await page.click("#make-submit");
  await page.waitForURL(/#job=job_/);
  await isOver(page, "failed");
  assert.equal(await text(page, "#status"), "Failed");
  assert.equal(await text(page, "#media .cost"), "nothing was charged");
  assert.equal(await text(page, "#media .returned"), "0.06 given back");
  await page.waitForFunction((before) => document.querySelector("#balance .amount").textContent === before, balance);
  await page.click("#vary");
  await isOffered(page, "FLUX.2 Pro");
  assert.equal(await page.inputValue("#input-prompt"), "Fog that is held back [moderated]");
});

test("the list of jobs moves by itself", async () => {
  const page = await open("#/jobs");
  await page.waitForSelector("#badge[data-phase=live]");
  const { job_id: id } = await server.submit({ kind: "image", model: "bfl/flux-2-pro", input: { prompt: "A lamp in the list" } });
  const row = `#jobs [data-job="${id}"]`;
  await page.waitForSelector(row);
  await page.waitForSelector(`${row}[data-status=completed]`);
  assert.match(await text(page, row), /A lamp in the list/);
  await page.waitForSelector(`${row} .thumb img`);
  await page.fill("#jobs-filter [name=text]", "nothing like it");
  await page.waitForSelector(".jobs-none:not([hidden])");
  await page.fill("#jobs-filter [name=text]", "lamp in the list");
  await page.selectOption("#jobs-filter [name=status]", "completed");
  await page.waitForFunction(() => document.querySelectorAll("#jobs [data-job]").length === 1);
  assert.match(page.url(), /#\/jobs\?text=lamp\+in\+the\+list&status=completed$/);
  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll("#jobs [data-job]").length === 1);
  await page.click(row);
  await isOver(page, "completed");
});

test("the list does not move under the pointer", async () => {
  await server.submit({ kind: "image", model: "bfl/flux-2-pro", input: { prompt: "The first of the list" } });
  const page = await open("#/jobs");
  const first = page.locator("#jobs [data-job]").first();
  await first.hover();
  const pointedAt = await first.getAttribute("data-job");
  const { job_id: id } = await server.submit({ kind: "image", model: "bfl/flux-2-pro", input: { prompt: "A latecomer" } });
  await page.waitForSelector("#jobs-new:not([hidden])");
  assert.equal(await text(page, "#jobs-new"), "1 new job");
  assert.equal(await first.getAttribute("data-job"), pointedAt);
  await page.click("#jobs-new");
  await page.waitForSelector(`#jobs [data-job="${id}"]`);
  assert.equal(await first.getAttribute("data-job"), id);
});

test("the keyboard comes to the content at once, and through the sections", async () => {
  const page = await open("#/jobs");
  await page.waitForSelector("#jobs .jobs-list");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.focus("#nav a[data-section=image]");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.id === "input-prompt");
});

test("nothing jumps while a page is filled, and nothing is wider than a phone", async () => {
  const { job_id: video } = await server.submit({ kind: "video", model: "wan-2-5-t2v", input: { prompt: "A kite that stands still [slow]" } });
  for (const [name, viewport] of Object.entries({ wide: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } })) {
    const face = await browser.newContext({ viewport });
    await face.addInitScript(() => {
      window.shifted = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
      }).observe({ type: "layout-shift", buffered: true });
    });
    // What a section is made of comes after what is below it.
    await face.route(/\/api\/models\?/, async (route) => {
      await face.pages().at(-1).waitForSelector("#recent li", { state: "attached" });
      await route.continue();
    });
    for (const hash of [...SECTIONS.map((section) => `#/${section}`), `#job=${video}`]) {
      const page = await open(hash, face);
      await page.waitForSelector(".notice");
      await page.waitForFunction(() => document.querySelector("#balance .amount").textContent !== "–");
      await page.waitForSelector("main > section:not([hidden]):not([aria-busy])");
      await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));
      const { shifted, sideways } = await page.evaluate(() => ({
        shifted: window.shifted, sideways: document.documentElement.scrollWidth - innerWidth,
      }));
      assert.ok(shifted < 0.05, `${name} ${hash} jumped by ${shifted}`);
      assert.ok(sideways <= 0, `${name} ${hash} is ${sideways} px too wide`);
      await picture(page, `${name}-${hash.replace(/\W+/g, "-")}`);
      await page.close();
    }
    await face.close();
  }
});
