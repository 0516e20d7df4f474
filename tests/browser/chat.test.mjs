// `useChat` of the AI SDK in a page of its own, against the real server behind a real nginx: the
// endpoint is what its transport expects, unchanged.
//
// Nothing here sleeps. Every wait is for something that can be seen on the page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Network } from "./network.mjs";

const network = Network.forThisFile({ speed: 4, pages: ["chat.jsx"] });

const ANSWER = "li[data-role=assistant]";

const question = (subject) => `Topic: ${subject}\nWords: 800`;

/** Asks, and waits until some of the answer is there. */
async function ask(page, text) {
  await page.fill("textarea", text);
  await page.click("#ask");
  await hasSome(page);
}

const hasSome = (page) => page.waitForFunction((selector) => document.querySelector(`${selector} pre`)?.textContent.length > 100, ANSWER);

const isReady = (page) => page.waitForSelector("main[data-status=ready]");

/** The question and one answer, which is whole. */
async function assertAnswered(page) {
  await isReady(page);
  assert.deepEqual(await roles(page), ["user", "assistant"]);
  const job = await page.locator(ANSWER).getAttribute("data-id");
  assert.equal(await page.locator(`${ANSWER} pre`).textContent(), await network.server.markdown(job));
  assert.equal(await page.locator(`${ANSWER} progress`).getAttribute("value"), "100");
}

const roles = (page) => page.locator("li").evaluateAll((messages) => messages.map(({ dataset }) => dataset.role));

const openChat = (visit, name) => visit.open(`/test/chat.html?chat=${name}`);

test("an answer is shown while it is written", () => network.visit("plain", async (visit) => {
  const page = await openChat(visit, "rivers");
  await ask(page, question("why rivers meander"));
  assert.equal(await page.getAttribute("main", "data-status"), "streaming");
  const early = await page.locator(`${ANSWER} pre`).textContent();
  await assertAnswered(page);
  assert.ok((await page.locator(`${ANSWER} pre`).textContent()).length > early.length);
}));

test("a reload in the middle goes on with the same answer", () => network.visit("plain", async (visit) => {
  const page = await openChat(visit, "tides");
  await ask(page, question("how tides are made"));
  await page.reload();
  await page.waitForSelector("main[data-status=streaming]");
  await hasSome(page);
  await assertAnswered(page);
  // And nothing is resumed once it is over.
  await page.reload();
  await assertAnswered(page);
}));

test("stopping ends the job, and keeps what was written", () => network.visit("plain", async (visit) => {
  const page = await openChat(visit, "salt");
  await ask(page, "[stall] Why is the sea salty?");
  const stopped = page.waitForResponse((response) => response.url().endsWith("/stop"));
  await page.click("#stop");
  const { job_id: job, status } = await (await stopped).json();
  assert.equal(status, "canceled");
  await isReady(page);
  assert.equal((await network.server.json(`/api/jobs/${job}`)).status, "canceled");
  await page.reload();
  await isReady(page);
  assert.deepEqual(await roles(page), ["user", "assistant"]);
  const { text } = await network.server.json(`/api/jobs/${job}`);
  await page.waitForFunction(([selector, wanted]) => document.querySelector(`${selector} pre`).textContent === wanted, [ANSWER, text]);
}));
