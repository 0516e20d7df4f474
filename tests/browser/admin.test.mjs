// The operator's page: what is stuck is found and explained from it alone, and what is done there acts.
//
// Nothing here sleeps. Every wait is for something that can be seen on the page.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { launch, openPage, picture, Server, Wire } from "./support.mjs";

const SECTIONS = ["overview", "jobs", "webhooks", "keys", "credits"];
const PHONE = { viewport: { width: 360, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

let server;
let browser;
let context;
let pages;
let receiver;

/** Somebody who is told how jobs end, and answers as the test says. */
async function hooks() {
  const told = { status: 500, bodies: [] };
  const site = createServer((request, answer) => {
    let body = "";
    request.on("data", (bytes) => { body += bytes; });
    request.on("end", () => {
      told.bodies.push(JSON.parse(body));
      answer.writeHead(told.status).end();
    });
  });
  await new Promise((resolve) => { site.listen(0, "127.0.0.1", resolve); });
  return Object.assign(told, { url: `http://127.0.0.1:${site.address().port}/hook`, close: () => site.close() });
}

before(async () => {
  process.env.TAILWATER_WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
  [server, browser, receiver] = await Promise.all([
    Server.start({ options: ["--webhook-allow-private", "on"] }), launch(), hooks(),
  ]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  receiver?.close();
});
beforeEach(async () => {
  context = await browser.newContext();
  pages = [];
});
afterEach(async () => {
  const complaints = pages.flatMap((page) => page.complaints);
  await context.close();
  // A form for a key has no name of a user, which is a browser's advice and no fault.
  assert.deepEqual(complaints.filter((words) => !words.startsWith("[DOM]")), []);
});

async function open(hash = "", within = context, base = server.url) {
  const page = await openPage(within, `${base}/admin${hash}`);
  pages.push(page);
  return page;
}

const text = (page, selector) => page.locator(selector).innerText();
const submit = async (topic, more = {}) => (await server.submit({ kind: "blog", input: { topic, words: 80 }, ...more })).job_id;
const status = async (id) => (await server.json(`/api/jobs/${id}`)).status;
const isShown = (page, id, wanted) => page.waitForSelector(`#job[data-job="${id}"][data-status="${wanted}"]:not([aria-busy])`);
const sideways = (page) => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

/** Does something to the job that is shown, and says yes to the question. */
async function act(page, button) {
  await page.click(button);
  await page.waitForSelector("#ask[open]");
  assert.ok((await text(page, "#ask-words")).length > 20);
  await page.click("#ask-yes");
  await page.waitForSelector("#job-told:not([hidden])");
  return text(page, "#job-told");
}

test("a stuck job is found and explained, from the page alone", async () => {
  const id = await submit("Why the sea is salty [stall]");
  const page = await open();
  await page.waitForSelector('#health[data-state="ready"]');
  const concern = page.locator("#concerns li", { hasText: "said nothing for" });
  await concern.waitFor();
  await page.waitForSelector("#queue tr[data-silent]");
  await picture(page, "admin-overview-stuck");
  await concern.locator("a").click();
  // The way leads to the job, or to all that run.
  if (!page.url().includes("#job=")) {
    const row = page.locator(`#job-rows li[data-job="${id}"][data-silent]`);
    await row.waitFor();
    assert.match(await row.innerText(), /silent for/);
    await row.locator("a").click();
  }
  await isShown(page, id, "running");
  assert.match(await text(page, "#explanation"), /nothing|silent/i);
  await page.waitForSelector("#job[data-silent]");
  assert.ok(await page.locator('.lane[data-lane="provider"] [data-kind="silence"]').count() > 0);
  for (const lane of ["job", "worker", "events", "stored"]) {
    assert.ok(await page.locator(`.lane[data-lane="${lane}"] .lane-track > i`).count() > 0, lane);
  }
  await picture(page, "admin-story-stuck");
  await page.click('.lane[data-lane="worker"] .lane-name');
  await page.waitForFunction(() => [...document.querySelectorAll("#entries li")].every(({ dataset }) => dataset.lane === "worker"));
  await page.locator("#entries summary").first().click();
  assert.match(await page.locator("#entries .entry-whole").first().innerText(), /Kind\s+lease/);
  await act(page, "#cancel");
  await isShown(page, id, "canceled");
});

test("jobs are found by state, kind and words, and the address keeps the search", async () => {
  const id = await submit("An otter that is searched for");
  const page = await open("#/jobs");
  await page.waitForSelector(`#job-rows li[data-job="${id}"]`);
  await page.fill("#jobs-filter input", "OTTER that is");
  await page.waitForFunction((wanted) => {
    const rows = [...document.querySelectorAll("#job-rows li")];
    return rows.length === 1 && rows[0].dataset.job === wanted;
  }, id);
  assert.match(page.url(), /#\/jobs\?q=OTTER/);
  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll("#job-rows li").length === 1);
  assert.equal(await page.inputValue("#jobs-filter input"), "OTTER that is");
  await page.selectOption("#jobs-filter [name=kind]", "video");
  await page.waitForSelector("#jobs-none:not([hidden]):text('No job is like that.')");
  await page.selectOption("#jobs-filter [name=kind]", "");
  await page.selectOption("#jobs-filter [name=status]", "completed");
  await page.waitForSelector(`#job-rows li[data-job="${id}"][data-status="completed"]`);
});

test("a job is requeued, canceled and tried again, and each result is told", async () => {
  const id = await submit("Tides [stall] for an operator");
  const page = await open(`#job=${id}`);
  await isShown(page, id, "running");
  assert.match(await act(page, "#requeue"), /back in its queue/);
  await page.waitForFunction(() => /attempt 2/.test(document.querySelector("#job-facts").textContent));
  await isShown(page, id, "running");

  // Who leaves the question alone has done nothing.
  await page.click("#cancel");
  await page.click('#ask [value="no"]');
  assert.notEqual(await status(id), "canceled");
  assert.match(await act(page, "#cancel"), /was canceled/);
  await isShown(page, id, "canceled");
  assert.equal(await status(id), "canceled");

  assert.match(await act(page, "#retry"), /A new job was submitted/);
  await page.click("#job-told a");
  await page.waitForFunction((before) => !location.hash.includes(before), id);
  const next = new URLSearchParams(new URL(page.url()).hash.slice(1)).get("job");
  await isShown(page, next, "running");
  assert.equal((await server.json(`/api/jobs/${next}`)).retry_of, id);
  await act(page, "#cancel");
  await isShown(page, next, "canceled");
});

test("a webhook that was not heard is seen in the job's story, and replayed", async () => {
  const id = await submit("A hook that is not heard", { webhook_url: receiver.url });
  receiver.status = 410;
  const page = await open(`#job=${id}`);
  await isShown(page, id, "completed");
  await page.waitForSelector('#job-webhooks li[data-status="given_up"]');
  await page.waitForSelector('.lane[data-lane="told"] .lane-track > i');
  receiver.status = 204;
  const heard = receiver.bodies.length;
  await page.click("#job-webhooks button");
  await page.click("#ask-yes");
  await page.waitForSelector('#job-webhooks li[data-status="delivered"]');
  assert.equal(receiver.bodies.length, heard + 1);
  await page.goto(`${server.url}/admin#/webhooks?status=delivered`);
  await page.waitForSelector(`#webhooks .deliveries a[href="#job=${id}"]`);
});

test("a stream that breaks is said to be broken, and comes back by itself", async () => {
  const wire = await Wire.to(server.url);
  const page = await open("", context, wire.url);
  await page.waitForSelector("#badge[data-phase=live]");
  await page.waitForSelector("#tiles .tile");
  wire.cut();
  await page.waitForSelector("#badge[data-phase=reconnecting]");
  await page.waitForSelector("#stale:not([hidden])");
  wire.mend();
  await page.waitForSelector("#badge[data-phase=live]");
  await page.waitForFunction(() => document.querySelector("#stale").hidden && !document.body.hasAttribute("data-stale"));
  wire.close();
});

test("a job that is not there is said to be gone", async () => {
  const page = await open("#job=job_00000000000000000000000000");
  await page.waitForSelector("#lost:not([hidden])");
  assert.match(await text(page, "#lost-detail"), /There is no job_0/);
});

test("credits are granted, and the ledger says so", async () => {
  const page = await open("#/credits");
  const available = () => server.json("/api/credits").then((credits) => credits.available);
  const before = await available();
  await page.fill("#grant-amount", "not a number");
  await page.click("#grant-form button");
  await page.waitForSelector("#grant-form .error:not([hidden])");
  await page.fill("#grant-amount", "2.50");
  await page.fill("#grant-note", "for a night shift");
  await page.click("#grant-form button");
  await page.click("#ask-yes");
  await page.waitForSelector("#ledger :text('for a night shift')");
  assert.equal(await available(), before + 2_500_000);
});

test("every section is reached by keyboard, and fits on a phone, light and dark", async () => {
  const id = await submit("A long job for a small window [stall]");
  for (const colorScheme of ["light", "dark"]) {
    const phone = await browser.newContext({ ...PHONE, colorScheme });
    const page = await open("", phone);
    await page.waitForSelector("#tiles .tile");
    for (const section of SECTIONS) {
      await page.focus(`#nav a[data-section=${section}]`);
      await page.keyboard.press("Enter");
      await page.waitForSelector(`#nav a[data-section=${section}][aria-current=page]`);
      await page.waitForSelector(`#${section}:not([hidden])`);
      assert.equal(await page.locator("main h1:visible").count(), 1);
      assert.equal(await sideways(page), false, `${section} scrolls sideways`);
      await picture(page, `admin-phone-${colorScheme}-${section}`);
    }
    await page.goto(`${server.url}/admin#job=${id}`);
    await isShown(page, id, "running");
    assert.equal(await sideways(page), false, "a job scrolls sideways");
    const small = await page.locator("#job-actions .button:visible").evaluateAll((buttons) => buttons.filter((button) => button.getBoundingClientRect().height < 40).length);
    assert.equal(small, 0);
    await picture(page, `admin-phone-${colorScheme}-job`);
    await phone.close();
  }
  await fetch(`${server.url}/api/jobs/${id}/cancel`, { method: "POST" });
});

test("the interface's page draws the server's own document, and asks nobody else", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const face = await browser.newContext({ colorScheme });
    const page = await openPage(face, `${server.url}/docs`);
    pages.push(page);
    await page.waitForSelector("#api .opblock-tag");
    assert.equal(await page.locator("html.dark-mode").count(), colorScheme === "dark" ? 1 : 0);
    await page.click("#api .opblock-tag >> nth=0");
    await page.click("#api .opblock-summary >> nth=0");
    await page.waitForSelector("#api .opblock-body .responses-wrapper");
    assert.equal(await sideways(page), false);
    await picture(page, `docs-${colorScheme}`);
    await face.close();
  }
});

// The last one: it closes the server to whoever has no key.
test("the first key signs this page in, and a key that may less is told so", async () => {
  const page = await open("#/keys");
  await page.waitForSelector("#keys-open:not([hidden])");
  assert.ok(await page.isChecked("[name=scope][value=admin]"));
  await page.fill("#key-name", "night shift");
  await page.click("#key-form [type=submit]");
  await page.waitForSelector("#fresh-key:not([hidden])");
  const admin = await text(page, "#secret");
  assert.match(admin, /^tw_/);
  await page.waitForSelector(".key-rows li:has-text('night shift')");
  await page.waitForSelector("#sign-out:not([hidden])");
  await page.waitForSelector("#badge[data-phase=live]");
  await page.click("#hide-key");
  assert.equal(await text(page, "#secret"), "");

  await page.fill("#key-name", "a reader");
  await page.uncheck("[name=scope][value=admin]");
  await page.check("[name=scope][value=read]");
  await page.click("#key-form [type=submit]");
  await page.waitForFunction(() => document.querySelector("#secret").textContent.startsWith("tw_"));
  const reader = await text(page, "#secret");

  const other = await browser.newContext();
  const visitor = await open("", other);
  await visitor.fill("#key", reader);
  await visitor.keyboard.press("Enter");
  await visitor.waitForSelector("#sign-in-why:not([hidden])");
  assert.match(await text(visitor, "#sign-in-why"), /may read/);
  await visitor.fill("#key", admin);
  await visitor.keyboard.press("Enter");
  await visitor.waitForSelector('#health[data-state="ready"]');
  await other.close();

  await page.click(".key-rows li:has-text('a reader') button");
  await page.click("#ask-yes");
  await page.waitForSelector(".key-rows li[data-state=revoked]:has-text('a reader')");
});
