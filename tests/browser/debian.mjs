// HAProxy and Caddy as Debian has them: the files that their packages put into /etc, with nothing but
// an address to listen at and the server behind it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePorts } from "./nginx.mjs";

/** Debian keeps some of it where not everybody's path leads. */
const PATH = `${process.env.PATH}:/usr/sbin`;
/** How long it may take to answer for the first time, in tries of 20 ms. */
const TRIES = 1_000;

/** A proxy in front of a server, in a folder of its own. */
class Proxy {
  #process;
  #folder;
  url;

  /** `configure` gets a port and gives the text of the file; `command` gets its path. */
  static async start({ configure, command }) {
    const proxy = new Proxy();
    proxy.#folder = await mkdtemp(join(tmpdir(), "tailwater-proxy-"));
    const [port] = await freePorts(1);
    proxy.url = `http://127.0.0.1:${port}`;
    const file = join(proxy.#folder, "proxy.conf");
    await writeFile(file, await configure(port));
    const [program, ...options] = command(file);
    await proxy.#run(program, options);
    return proxy;
  }

  async #run(program, options) {
    // Caddy keeps things at home.
    const env = { ...process.env, PATH, HOME: this.#folder, XDG_DATA_HOME: this.#folder, XDG_CONFIG_HOME: this.#folder };
    const child = spawn(program, options, { stdio: ["ignore", "ignore", "pipe"], env });
    this.#process = child;
    let said = "";
    child.stderr.on("data", (bytes) => { said = (said + bytes).slice(-4_000); });
    const ended = new Promise((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`${program} exited with ${code}: ${said}`)));
    });
    // Ending is its business from here on.
    ended.catch(() => undefined);
    await Promise.race([ended, this.#answers(program)]);
  }

  async #answers(program) {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const answer = await fetch(`${this.url}/healthz`).catch(() => null);
      if (answer?.ok) return;
      // There is no word by which it says that it listens.
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
    throw new Error(`${program} does not answer`);
  }

  async stop() {
    const child = this.#process;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      // Some wait for their last answer.
      const hurry = setTimeout(() => child.kill("SIGKILL"), 2_000);
      await exited;
      clearTimeout(hurry);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** HAProxy with Debian's `defaults`; its `global` is about being a service of the system. */
export const haproxy = (server) => Proxy.start({
  async configure(port) {
    const text = await readFile("/etc/haproxy/haproxy.cfg", "utf8");
    const defaults = /^defaults\n(?:\s+.*\n?)+/m.exec(text)[0];
    return `${defaults}
frontend all
	bind 127.0.0.1:${port}
	default_backend tailwater
backend tailwater
	server one ${new URL(server.url).host}
`;
  },
  command: (file) => ["haproxy", "-db", "-f", file],
});

/** Caddy with Debian's file, in which it is turned from files to a proxy as its comments say. */
export const caddy = (server) => Proxy.start({
  async configure(port) {
    const text = await readFile("/etc/caddy/Caddyfile", "utf8");
    const turned = text
      .replace(/^:80 \{/m, `http://127.0.0.1:${port} {`)
      .replace(/^\tfile_server$/m, "")
      .replace(/^\t# reverse_proxy localhost:8080$/m, `\treverse_proxy ${new URL(server.url).host}`);
    if (!/^\treverse_proxy /m.test(turned)) throw new Error(`Debian's Caddyfile is another one: ${text}`);
    // The port of its own API may be another Caddy's.
    return `{\n\tadmin off\n}\n${turned}`;
  },
  command: (file) => ["caddy", "run", "--adapter", "caddyfile", "--config", file],
});
