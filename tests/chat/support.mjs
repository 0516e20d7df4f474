// What the chat's tests stand on: a real server process, and a page that holds a chat as `useChat` does.

import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The server's binary: `TAILWATER_BIN`, else the build that was made last. */
function binary() {
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
  url = "";

  static async start({ speed = 20 } = {}) {
    const server = new Server();
    server.#folder = await mkdtemp(join(tmpdir(), "tailwater-chat-"));
    server.#speed = speed;
    await server.start();
    return server;
  }

  /** Starts the process, on the same port and data as before. */
  async start() {
    const listen = this.url === "" ? "127.0.0.1:0" : new URL(this.url).host;
    const options = ["--listen", listen, "--data", this.#folder, "--simulator-speed", String(this.#speed)];
    const child = spawn(binary(), ["serve", ...options], { stdio: ["ignore", "pipe", "pipe"] });
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
  async kill() {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => {
      child.once("exit", resolve);
      child.kill("SIGKILL");
    });
  }

  async stop() {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** An answer of the API, as JSON. */
  async json(path, options = {}) {
    const response = await fetch(this.url + path, options);
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
    return response.json();
  }

  /** The text of a job's Markdown file. */
  async markdown(job) {
    const { artifacts } = await this.json(`/api/jobs/${job}`);
    const { url } = artifacts.find(({ kind }) => kind === "markdown");
    const response = await fetch(new URL(url, this.url));
    return response.text();
  }
}

/** The state of a chat, as the SDK's own pages keep it, with somebody who waits for a change. */
class State {
  status = "ready";
  error = undefined;
  #messages;
  #waiting = [];

  constructor(messages) {
    this.#messages = messages;
  }

  get messages() {
    return this.#messages;
  }

  set messages(messages) {
    this.#messages = messages;
    this.#changed();
  }

  pushMessage = (message) => { this.messages = [...this.#messages, message]; };
  popMessage = () => { this.messages = this.#messages.slice(0, -1); };
  replaceMessage = (index, message) => { this.messages = this.#messages.with(index, this.snapshot(message)); };
  snapshot = (value) => structuredClone(value);

  /** Waits until the messages are so. */
  until(condition) {
    return new Promise((resolve) => {
      this.#waiting.push({ condition, resolve });
      this.#changed();
    });
  }

  #changed() {
    const isOver = ({ condition, resolve }) => {
      if (!condition(this.#messages)) return false;
      resolve(this.#messages);
      return true;
    };
    this.#waiting = this.#waiting.filter((one) => !isOver(one));
  }
}

/** A page with a chat, of one version of the SDK: its own `Chat` with its own transport, nothing changed. */
export function openPage({ AbstractChat, DefaultChatTransport }, server, id, messages = []) {
  const state = new State(messages);
  const transport = new DefaultChatTransport({ api: `${server.url}/api/chat` });
  const transient = [];
  const onData = (part) => transient.push(part);
  const chat = new AbstractChat({ id, state, transport, onData, onError: () => {} });
  return { chat, state, transport, transient };
}

/** What was said in a message. */
export const textOf = (message) => message.parts.filter(({ type }) => type === "text")
  .map(({ text }) => text).join("");
