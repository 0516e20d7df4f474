// The suites' ways to a server: a browser, a wire that can fail, a real nginx, the server.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { buildPages } from "./bundle.mjs";
import { Nginx } from "./nginx.mjs";
import { isOver, launch, openPage, Server, Wire } from "./support.mjs";

/** After how long the `cutting` way cuts a connection, in milliseconds. */
export const LIFE_MS = 7_000;

/** The ways behind which everything has to hold; see nginx.mjs. */
export const WAYS = {
  plain: { nginx: "plain" },
  buffering: { nginx: "buffering" },
  cutting: { nginx: "plain", lifeMs: LIFE_MS },
};

/** Everything that one file of tests shares. */
export class Network {
  server;
  nginx;
  browser;
  #pages;

  /** Starts before the file's tests and stops after them. */
  static forThisFile(options = {}) {
    const network = new Network();
    before(() => network.#start(options));
    after(() => network.#stop());
    return network;
  }

  async #start({ pages = ["watch.js"], ...options }) {
    // Each is known as soon as it is there, so that it is stopped even where another does not come.
    await Promise.all([
      Server.start(options).then((server) => { this.server = server; }),
      launch().then((browser) => { this.browser = browser; }),
      buildPages(pages).then((built) => { this.#pages = built; }),
    ]);
    this.nginx = await Nginx.start({ url: this.server.url, pages: this.#pages.folder });
  }

  async #stop() {
    await this.browser?.close();
    await this.nginx?.stop();
    await Promise.all([this.server?.stop(), this.#pages?.remove()]);
  }

  /** Runs a test's body as one visitor, and holds the visit's pages to their good behaviour. */
  async visit(way, body) {
    const { nginx, lifeMs = null } = WAYS[way] ?? { nginx: way };
    const wire = await Wire.to(this.nginx.urls[nginx], { lifeMs });
    const visit = new Visit(this, way, wire, await this.browser.newContext());
    try {
      await body(visit);
      assert.deepEqual(visit.complaints, []);
    } finally {
      await visit.context.close();
      wire.close();
    }
  }

  /** One test's body with a visitor behind each way: for what happens to all of them together. */
  visitAll(body, [way, ...others] = Object.keys(WAYS), visits = []) {
    if (way === undefined) return body(visits);
    return this.visit(way, (visit) => this.visitAll(body, others, [...visits, visit]));
  }

  /** A test behind each way, all three at the same time: most of each is waiting. */
  everywhere(name, body, ways = Object.keys(WAYS)) {
    describe(name, { concurrency: true }, () => {
      for (const way of ways) test(`${name} (${way})`, () => this.visit(way, body));
    });
  }
}

/** One visitor: a browser context, the wire that it uses, and the pages that it has open. */
export class Visit {
  #network;
  #pages = [];

  constructor(network, way, wire, context) {
    this.#network = network;
    this.way = way;
    this.wire = wire;
    this.context = context;
  }

  get server() {
    return this.#network.server;
  }

  get complaints() {
    return this.#pages.flatMap((page) => page.complaints);
  }

  /** Opens the bare page of the client library on a job. */
  watch(job, options = {}) {
    return this.open(`/test/watch.html?${new URLSearchParams(options)}#job=${job}`);
  }

  /** Opens the studio, which is made to keep what its badge said in `window.phases`. */
  async studio(hash = "") {
    await this.context.addInitScript(keepPhases);
    return this.open(`/${hash}`);
  }

  /** Opens any page. */
  async open(path) {
    const page = await openPage(this.context, this.wire.url + path);
    this.#pages.push(page);
    return page;
  }

  /** A job whose worker is the test itself, so that it is as far as the test wants it to be. */
  async external() {
    const { job_id: id } = await this.server.submit({ kind: "external", input: {} });
    return new Producer(this.server, id);
  }

  /** Submits a job that no other visit has: identical tasks in flight are one. */
  async submit(job) {
    const subject = job.input.topic ?? job.input.text ?? job.input.prompt;
    const name = Object.keys(job.input).find((key) => job.input[key] === subject);
    const input = { ...job.input, [name]: `${subject} (${this.way}, ${nextNumber()})` };
    const { job_id: id } = await this.server.submit({ ...job, input });
    return id;
  }
}

/** The worker of an external job: writes a text piece by piece. */
class Producer {
  #server;
  #index = 0;
  text = "";

  constructor(server, job) {
    this.#server = server;
    this.job = job;
  }

  /** Adds some pieces; `words` tells them apart from others. */
  async write(words, pieces = 20) {
    for (let piece = 0; piece < pieces; piece += 1) {
      const text = `${words}, piece ${piece + 1}. `;
      await this.#push("content", { index: this.#index, offset: this.text.length, text, attempt: 1 });
      this.#index += 1;
      this.text += text;
    }
  }

  /** Ends the job, which is durable before anybody sees it. */
  complete() {
    return this.#push("completed", {});
  }

  async #push(type, data) {
    const response = await fetch(`${this.#server.url}/api/jobs/${this.job}/events`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ type, data }),
    });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  }
}

/** Waits until the page has all that was written so far. */
export const hasAll = (page, { text }) => page.waitForFunction((wanted) => document.querySelector("#post").textContent === wanted, text);

/** Runs in the page, before anything of its own. */
function keepPhases() {
  window.phases = [];
  const note = (phase) => {
    if (phase !== null && phase !== window.phases.at(-1)?.phase) window.phases.push({ phase, at: performance.now() });
  };
  // What was there only for a moment is known as what was there before.
  const observer = new MutationObserver((records) => {
    const changes = records.filter(({ type, target }) => type === "attributes" && target.id === "badge");
    for (const { oldValue } of changes) note(oldValue);
    if (changes.length > 0) note(changes[0].target.dataset.phase);
  });
  observer.observe(document, { subtree: true, attributeFilter: ["data-phase"], attributeOldValue: true });
}

let number = 0;
const nextNumber = () => (number += 1);

/** A post that takes long enough to be in the middle of. */
export const post = (topic, { words = 2_000, voiceover = false } = {}) => ({
  kind: "blog", input: { topic, words, voiceover },
});

/** Every event of a job, as the server has it. */
export async function logOf(server, job) {
  const events = [];
  for (let cursor = 0; ;) {
    const page = await server.json(`/api/jobs/${job}/events?after=${cursor}&limit=1000`);
    events.push(...page.events);
    cursor = page.next;
    if (page.ended && cursor >= page.events.at(-1)?.id || page.events.length === 0) return events;
  }
}

/** What the bare page was given. */
export const seenBy = (page) => page.evaluate(() => window.seen);

/** Only events about the job have an id, and each has another. */
export const idsOf = ({ events }) => events.map(({ id }) => id).filter((id) => id !== null);

/**
 * The bare page has exactly what the server has: every event, once and in order; the artifact's text;
 * and a badge that says that it is over.
 */
export async function assertWhole(page, server, { status = "completed", events = true } = {}) {
  await isOver(page, status);
  const job = await page.locator("#job").getAttribute("data-job");
  const seen = await seenBy(page);
  const log = await logOf(server, job);
  const ids = idsOf(seen);
  if (events) assert.deepEqual(ids, log.map(({ id }) => id));
  assert.deepEqual(ids, [...new Set(ids)].sort((left, right) => left - right), "no event twice, none out of order");
  assert.equal(seen.events.at(-1).type, status);
  assert.equal(seen.error, null);
  if (status === "completed" && (await hasMarkdown(server, job))) {
    assert.equal(await page.locator("#post").textContent(), await server.markdown(job));
  }
  await says(page, "ended");
}

async function hasMarkdown(server, job) {
  const { artifacts } = await server.json(`/api/jobs/${job}`);
  return artifacts.some(({ kind }) => kind === "markdown");
}

/** Waits until the badge says so. */
export const says = (page, phase) => page.waitForSelector(`#badge[data-phase=${phase}]`, { state: "attached" });

/** Which phase a way comes to where nothing is wrong. */
export const settled = (way) => (way === "buffering" ? "polling" : "live");
