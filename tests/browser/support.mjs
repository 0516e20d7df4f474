// What the page's tests stand on: a real server process and a headless Chromium.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

export const CHROMIUM = process.env.TAILWATER_CHROMIUM ?? "/usr/bin/chromium";
export const ARGUMENTS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** How long any condition may take, in milliseconds: a debug build speaks slowly on a busy machine. */
export const PATIENCE_MS = Number(process.env.TAILWATER_PATIENCE_MS ?? 120_000);

/**
 * The server's binary: `TAILWATER_BIN`, else the build that was made last. (A release build has the
 * page embedded as it was then; a debug build reads it from `static/`.)
 */
export function binary() {
  const builds = ["release", "debug"].map((profile) => `../../target/${profile}/tailwater`)
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .filter((path) => existsSync(path))
    .sort((left, right) => statSync(right).mtimeMs - statSync(left).mtimeMs);
  const found = process.env.TAILWATER_BIN ?? builds[0];
  if (found === undefined) throw new Error("no server: run `cargo build` or set TAILWATER_BIN");
  return found;
}

/** A server on a data folder of its own, which can be killed and started again. */
export class Server {
  #process = null;
  #folder;
  #speed;
  #options;
  #surroundings;
  url = "";

  /**
   * `options` are further arguments of `tailwater serve`, `env` and `cwd` what its process is started with;
   * `port` is for a server that has to know its own address.
   */
  static async start({ speed = 20, options = [], env = {}, cwd, port = 0 } = {}) {
    const server = new Server();
    if (port !== 0) server.url = `http://127.0.0.1:${port}`;
    server.#options = options;
    server.#surroundings = { env: { ...process.env, ...env }, cwd };
    server.#folder = await mkdtemp(join(tmpdir(), "tailwater-page-"));
    server.#speed = speed;
    await server.start();
    return server;
  }

  /** The data folder, for commands that work on it. */
  get data() {
    return this.#folder;
  }

  /** Starts the process, on the same port and data as before. */
  async start() {
    const listen = this.url === "" ? "127.0.0.1:0" : new URL(this.url).host;
    const options = ["--listen", listen, "--data", this.#folder, "--simulator-speed", String(this.#speed)];
    const child = spawn(binary(), ["serve", ...options, ...this.#options], { ...this.#surroundings, stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    let said = "";
    child.stderr.on("data", (bytes) => { said = (said + bytes).slice(-4_000); });
    this.url = await new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        const found = /listening on (http:\/\/\S+)/.exec(line);
        if (found) resolve(found[1].replace(/\/$/, ""));
      });
      child.once("exit", (code) => reject(new Error(`the server exited with ${code}: ${said}`)));
      child.once("error", reject);
    });
  }

  /** Ends the process as a power cut would. */
  kill() {
    return this.#end("SIGKILL");
  }

  async stop() {
    await this.#end("SIGKILL");
    await rm(this.#folder, { recursive: true, force: true });
  }

  #end(signal) {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return null;
    return new Promise((resolve) => {
      child.once("exit", resolve);
      child.kill(signal);
    });
  }

  /** An answer of the API, as JSON. */
  async json(path) {
    const response = await fetch(this.url + path);
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
    return response.json();
  }

  /** Submits a job as a product's backend does. */
  async submit(job) {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${this.url}/api/jobs`, { method: "POST", headers, body: JSON.stringify(job) });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${response.status}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** The text of a job's Markdown file. */
  async markdown(job) {
    const { artifacts } = await this.json(`/api/jobs/${job}`);
    const { url } = artifacts.find(({ kind }) => kind === "markdown");
    const response = await fetch(new URL(url, this.url));
    return response.text();
  }
}

/** A wire between the page and the server that can be cut, or go silent without breaking. */
export class Wire {
  #listener;
  #pairs = new Set();
  #state = "whole";
  #lifeMs;
  url = "";

  /** With `lifeMs`, each connection is cut when it is so old, whatever goes over it. */
  static async to(url, { lifeMs = null } = {}) {
    const wire = new Wire();
    wire.#lifeMs = lifeMs;
    const target = new URL(url);
    wire.#listener = createServer((near) => wire.#join(near, connect(target.port, target.hostname)));
    await new Promise((resolve) => { wire.#listener.listen(0, "127.0.0.1", resolve); });
    wire.url = `http://127.0.0.1:${wire.#listener.address().port}`;
    return wire;
  }

  #join(near, far) {
    const pair = [near, far];
    const age = this.#lifeMs === null ? undefined : setTimeout(() => near.destroy(), this.#lifeMs);
    const drop = () => {
      clearTimeout(age);
      this.#pairs.delete(pair);
      for (const end of pair) end.destroy();
    };
    for (const end of pair) end.on("close", drop).on("error", drop);
    this.#pairs.add(pair);
    if (this.#state === "cut") drop();
    else if (this.#state === "whole") near.pipe(far).pipe(near);
  }

  /** Every connection breaks, and no new one is made. */
  cut() {
    this.#state = "cut";
    for (const [near] of [...this.#pairs]) near.destroy();
  }

  /** Nothing comes through any more, and nobody is told. */
  silence() {
    this.#state = "silent";
    for (const [near, far] of this.#pairs) {
      far.unpipe(near);
      near.unpipe(far);
    }
  }

  /** New connections work again; the old ones are gone. */
  mend() {
    this.cut();
    this.#state = "whole";
  }

  /** New connections work again; the old ones stay silent for ever, and nobody is told. */
  reroute() {
    this.#state = "whole";
  }

  close() {
    this.cut();
    this.#listener.close();
  }
}

export const launch = () => chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });

/** A page that remembers what should never happen: errors, refused styles, foreign requests. */
export async function openPage(context, url) {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(`error: ${error.stack ?? error}`));
  page.on("console", (message) => {
    // What a server refuses or a network loses, a browser calls an error; the page says it where it belongs.
    const isExpected = message.type() !== "error" || message.text().startsWith("Failed to load resource");
    if (!isExpected || /Content Security Policy|violates/.test(message.text())) page.complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin)) page.complaints.push(`foreign: ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

/** Submits a topic by the form, and says which job came of it. */
export async function generate(page, topic, { words = 600, voiceover = true } = {}) {
  await page.fill("#topic", topic);
  await page.locator("#words").evaluate((slider, value) => {
    slider.value = String(value);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }, words);
  await page.setChecked("#voiceover", voiceover);
  await page.click("#generate");
  await page.waitForURL(/#job=job_/);
  return jobOf(page);
}

export const jobOf = (page) => new URLSearchParams(new URL(page.url()).hash.slice(1)).get("job");

/**
 * Waits until at least so much of the post is on the page. Its job is running then, but where the page took so long
 * that it is done.
 */
export const isWriting = (page, least = 200) => page.waitForFunction((wanted) => {
  const { status } = document.querySelector("#job").dataset;
  return ["running", "completed"].includes(status) && document.querySelector("#post").textContent.length >= wanted;
}, least);

/** Waits until the job of the page's address ended so and everything of it is on the page. */
export const isOver = (page, status) => page.waitForFunction((wanted) => {
  const post = document.querySelector("#post");
  const drawn = post.hidden || post.dataset.shown === "all";
  const { job, status } = document.querySelector("#job").dataset;
  return location.hash === `#job=${job}` && status === wanted && drawn;
}, status);

/** The post as it stands on the page. */
export const postText = (page) => page.locator("#post").evaluate((post) => post.textContent);

/** Saves a picture when `TAILWATER_SCREENSHOTS` names a folder for them. */
export async function picture(page, name) {
  const folder = process.env.TAILWATER_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  // What moves to an end is shown at it; what moves for ever is not waited for.
  await page.evaluate(() => Promise.all(document.getAnimations()
    .filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity)
    .map((animation) => animation.finished.catch(() => {}))).then(() => null));
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
