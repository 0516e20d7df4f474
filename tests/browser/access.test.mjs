// A server that has keys: signing in to the page, and a page elsewhere that has a ticket and no key.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { isOver, launch, openPage, postText, Server } from "./support.mjs";

let server;
let elsewhere;
let browser;
let context;
let key;

/** A page of another origin, with nothing on it. */
async function otherSite() {
  const site = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<!doctype html><title>app</title>"));
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${site.address().port}`, close: () => site.close() };
}

const makeKey = async (body, headers = {}) => {
  const init = { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
  return (await fetch(`${server.url}/api/keys`, init)).json();
};

before(async () => {
  [elsewhere, browser] = await Promise.all([otherSite(), launch()]);
  server = await Server.start({ options: ["--cors-origins", elsewhere.url] });
  ({ key } = await makeKey({ scopes: ["admin"] }));
});
after(async () => {
  await browser?.close();
  await server?.stop();
  elsewhere?.close();
});
beforeEach(async () => {
  context = await browser.newContext();
});
afterEach(() => context.close());

test("a key opens the page, and signing out closes it", async () => {
  const page = await openPage(context, `${server.url}/`);
  await page.waitForSelector("#sign-in:not([hidden])");
  assert.ok(await page.locator("#blog").isHidden());
  await page.fill("#key", "tw_wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#key-error:not([hidden])");
  assert.equal(await page.textContent("#key-error"), "This is no valid key.");
  await page.fill("#key", key);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#form");
  await page.waitForSelector("#blog:not([hidden])");
  const [cookie] = await context.cookies();
  assert.ok(cookie.httpOnly && cookie.sameSite === "Strict" && cookie.value !== key);
  assert.equal(await page.evaluate(() => document.cookie), "");

  await page.fill("#topic", "Why the sea is salty");
  await page.locator("#voiceover").uncheck();
  await page.keyboard.press("Control+Enter");
  await isOver(page, "completed");
  assert.ok((await postText(page)).length > 100);

  await page.click("#sign-out");
  await page.waitForSelector("#sign-in:not([hidden])");
  assert.deepEqual(await context.cookies(), []);
  // Refusals are what was asked for here.
  const others = page.complaints.filter((complaint) => !complaint.includes("401"));
  assert.deepEqual(others, []);
});

test("a page of another site streams by its ticket, with nothing but EventSource, and plays the files", async () => {
  const headers = { "content-type": "application/json", "authorization": `Bearer ${key}` };
  const body = JSON.stringify({ kind: "blog", input: { topic: "Tides", words: 80, voiceover: true } });
  const { stream_url } = await (await fetch(`${server.url}/api/jobs`, { method: "POST", headers, body })).json();
  const page = await context.newPage();
  await page.goto(elsewhere.url);
  const seen = await page.evaluate(async ({ url, origin }) => {
    const ticket = new URL(url).searchParams.get("ticket");
    const files = [];
    await new Promise((resolve, reject) => {
      const stream = new EventSource(url);
      stream.addEventListener("artifact_ready", ({ data }) => files.push(JSON.parse(data).artifact.url));
      stream.addEventListener("completed", () => { stream.close(); resolve(); });
      stream.onerror = () => reject(new Error("the stream failed"));
    });
    const of = async (path) => (await fetch(`${origin}${path}?ticket=${ticket}`)).status;
    const without = await fetch(`${origin}${files[0]}`).then(({ status }) => status);
    return { files: files.length, statuses: await Promise.all(files.map(of)), without };
  }, { url: server.url + stream_url, origin: server.url });
  assert.ok(seen.files >= 2);
  assert.deepEqual(new Set(seen.statuses), new Set([200]));
  assert.equal(seen.without, 401);
});
