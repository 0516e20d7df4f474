// What the tests of documents and examples stand on, besides a server and a browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

import { PATIENCE_MS } from "../browser/support.mjs";

export { binary, launch, openPage, PATIENCE_MS, Server } from "../browser/support.mjs";

export const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Debian keeps some servers where not everybody's path leads. */
export const PATH = `${process.env.PATH}:/usr/sbin`;

/** Runs a command to its end, in a group of its own that is ended with it; gives its code and what it said. */
export async function run(command, args, { input = "", timeoutMs = 2 * PATIENCE_MS, ...options } = {}) {
  const child = spawn(command, args, { ...options, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => { stdout += text; });
  child.stderr.setEncoding("utf8").on("data", (text) => { stderr += text; });
  child.stdin.on("error", () => undefined).end(input);
  let late = false;
  const timer = setTimeout(() => { late = true; endGroup(child); }, timeoutMs);
  const [code] = await once(child, "close");
  clearTimeout(timer);
  if (late) stderr += `\n(ended after ${timeoutMs} ms)`;
  return { code, stdout, stderr };
}

/** A program that goes on until it is ended. */
export class Program {
  #child;
  #watchers = new Set();
  said = "";

  constructor(command, args, options = {}) {
    this.#child = spawn(command, args, { ...options, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        this.said += text;
        for (const watcher of [...this.#watchers]) watcher();
      });
    }
    this.#child.once("error", (error) => { this.said += `\n${error}`; });
    this.#child.once("close", () => { for (const watcher of [...this.#watchers]) watcher(); });
  }

  /** Waits until it has said something that fits; fails when it ends before. */
  until(pattern, timeoutMs = 120_000) {
    const { promise, resolve, reject } = Promise.withResolvers?.() ?? deferred();
    const timer = setTimeout(() => reject(new Error(`it did not say ${pattern}: ${this.said}`)), timeoutMs);
    const look = () => {
      const found = typeof pattern === "string" ? this.said.includes(pattern) && [pattern] : pattern.exec(this.said);
      if (found) resolve(found);
      else if (this.#child.exitCode !== null || this.#child.signalCode !== null) reject(new Error(`it ended: ${this.said}`));
    };
    this.#watchers.add(look);
    look();
    return promise.finally(() => { clearTimeout(timer); this.#watchers.delete(look); });
  }

  async stop() {
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    endGroup(this.#child);
    await closed;
  }
}

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

function endGroup(child) {
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It is over.
  }
}

/** A port that nobody listens on. */
export async function freePort() {
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address();
  holder.close();
  await once(holder, "close");
  return port;
}
