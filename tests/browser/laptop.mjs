// A browser whose pages can be hidden, put to sleep and woken.
//
// Playwright keeps all of its pages in front, and a page in front is never frozen. So this Chromium is
// started by us, and Playwright joins it without changing anything.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

import { ARGUMENTS, CHROMIUM, PATIENCE_MS } from "./support.mjs";

/** A browser with a window for each page. */
export class Laptop {
  #process;
  #folder;
  #browser;
  #context;
  #opening = Promise.resolve();

  static async start() {
    const laptop = new Laptop();
    laptop.#folder = await mkdtemp(join(tmpdir(), "tailwater-laptop-"));
    const options = [...ARGUMENTS, "--remote-debugging-port=0", `--user-data-dir=${laptop.#folder}`, "about:blank"];
    laptop.#process = spawn(CHROMIUM, options, { stdio: ["ignore", "ignore", "pipe"] });
    laptop.#browser = await chromium.connectOverCDP(await endpointOf(laptop.#process), { noDefaults: true });
    [laptop.#context] = laptop.#browser.contexts();
    return laptop;
  }

  /** Opens an address in a window of its own; one after the other, since windows come without a name. */
  open(url) {
    const opened = this.#opening.then(() => this.#open(url));
    this.#opening = opened.catch(() => undefined);
    return opened;
  }

  async #open(url) {
    const session = await this.#browser.newBrowserCDPSession();
    const opened = this.#context.waitForEvent("page");
    await session.send("Target.createTarget", { url, newWindow: true });
    const page = await opened;
    page.setDefaultTimeout(PATIENCE_MS);
    return page;
  }

  /** Closes the lid over a page. */
  async sleep(page) {
    const session = await this.#context.newCDPSession(page);
    await setWindow(session, "minimized");
    await page.waitForFunction(() => document.visibilityState === "hidden");
    await session.send("Page.setWebLifecycleState", { state: "frozen" });
  }

  /** Opens it again. */
  async wake(page) {
    const session = await this.#context.newCDPSession(page);
    await session.send("Page.setWebLifecycleState", { state: "active" });
    await setWindow(session, "normal");
  }

  async stop() {
    const exited = once(this.#process, "exit");
    await this.#browser.close();
    this.#process.kill("SIGTERM");
    await exited;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function endpointOf(child) {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      const found = /DevTools listening on (ws:\S+)/.exec(line);
      if (found) resolve(found[1]);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the browser exited with ${code}`)));
  });
}

async function setWindow(session, windowState) {
  const { windowId } = await session.send("Browser.getWindowForTarget");
  await session.send("Browser.setWindowBounds", { windowId, bounds: { windowState } });
}
