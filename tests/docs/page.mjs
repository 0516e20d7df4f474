// A page of documentation, followed from its top to its end as a reader would: in a folder of its own, with
// a server of its own, whose port stands where the page says 8080.

import assert from "node:assert/strict";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { likeness, parseLoosely } from "./expected.mjs";
import { ROOT } from "./markdown.mjs";
import { binary, freePort, here, PATH, Program, run, Server } from "./support.mjs";

export class Page {
  #page;
  #folder = mkdtempSync(join(tmpdir(), "tailwater-docs-"));
  #server;
  #world;
  #ports = new Map();
  #programs = [];
  /** The newest id or key of each kind that any command has shown. */
  #seen = new Map();
  /** What the last command wrote, for the block that says what it should; null before the first one. */
  #output = null;

  static async open(page) {
    const opened = new Page();
    opened.#page = page;
    for (const file of readdirSync(here("fixtures"))) copyFileSync(here(`fixtures/${file}`), join(opened.#folder, file));
    opened.#world = await world();
    const bin = join(opened.#folder, ".bin");
    mkdirSync(bin);
    symlinkSync(binary(), join(bin, "tailwater"));
    // An answer that says no is a failed block.
    writeFileSync(join(bin, "curl"), '#!/bin/sh\nPATH=${PATH#*:} exec curl --fail-with-body --max-time 200 "$@"\n');
    chmodSync(join(bin, "curl"), 0o755);
    symlinkSync(join(ROOT, "examples"), join(opened.#folder, "examples"));
    mkdirSync(join(opened.#folder, "node_modules"));
    symlinkSync(join(ROOT, "client"), join(opened.#folder, "node_modules/tailwater"));
    return opened;
  }

  /** Follows one block; throws where it is not as it says. */
  async follow(block) {
    const { directives, language, text } = block;
    if (directives.from !== undefined) {
      const file = readFileSync(join(ROOT, directives.from), "utf8");
      assert.ok(file.includes(text), `this is not what stands in ${directives.from}`);
    }
    if (directives.file !== undefined) {
      const path = join(this.#folder, directives.file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, await this.#real(text));
    }
    await LANGUAGES[language].call(this, block);
  }

  async close() {
    for (const program of this.#programs) await program.stop();
    await this.#server?.stop();
    this.#world.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #serverOf() {
    const { env, options } = this.#page.server;
    const all = ["--upload-allow-private", "on", "--webhook-allow-private", "on", ...options];
    this.#server ??= await Server.start({ speed: 200, options: all, env, cwd: this.#folder });
    return this.#server;
  }

  /** What a reader would put into the place of what stands for something else. */
  async #real(text) {
    const server = new URL((await this.#serverOf()).url);
    let real = text
      .replace(/(localhost|127\.0\.0\.1):8080/g, `$1:${server.port}`)
      .replaceAll("https://example.com", `http://127.0.0.1:${this.#world.address().port}`)
      .replaceAll("target/release/tailwater", "tailwater");
    for (const [, port] of text.matchAll(/(?:localhost|127\.0\.0\.1|server) ?:?(3000)/g)) {
      if (!this.#ports.has(port)) this.#ports.set(port, await freePort());
      real = real.replaceAll(port, String(this.#ports.get(port)));
    }
    if (real.includes("job_…") && !this.#seen.has("job")) {
      this.#notice((await this.#server.submit({ kind: "external" })).job_id);
    }
    return real.replace(/\b(job|file|upl|key|tw)_…/g, (all, kind) => this.#seen.get(kind) ?? all);
  }

  #notice(output) {
    for (const [all, kind] of output.matchAll(/\b(job|file|upl|key|tw)_[0-9A-Za-z_-]{20,}/g)) this.#seen.set(kind, all);
  }

  async #environment() {
    const server = await this.#serverOf();
    return {
      ...process.env,
      ...this.#page.server.env,
      PATH: `${this.#folder}/.bin:${PATH}`,
      TAILWATER_SERVER: server.url,
      TAILWATER_DATA: server.data,
      PYTHONDONTWRITEBYTECODE: "1",
      EXAMPLES: join(ROOT, "examples"),
      ...(this.#ports.has("3000") && { PORT: String(this.#ports.get("3000")) }),
    };
  }

  async sh({ text, directives }) {
    const { first } = directives;
    if (first !== undefined) await this.sh({ text: first, directives: {} });
    if (directives["in background until"] !== undefined) {
      const script = `${RESUME}\n${await this.#real(text)}`;
      const program = new Program("bash", ["-euo", "pipefail", "-c", script], { cwd: this.#folder, env: await this.#environment() });
      this.#programs.push(program);
      await program.until(await this.#real(directives["in background until"]));
      return;
    }
    const script = `${RESUME}\n${await this.#real(text)}\nexport -p > .exported`;
    const { code, stdout, stderr } = await run("bash", ["-euo", "pipefail", "-c", script], { cwd: this.#folder, env: await this.#environment() });
    this.#output = stdout;
    this.#notice(`${stderr}\n${stdout}`);
    assert.equal(code, Number(directives.exit ?? 0), `${stderr}\n${stdout}`);
  }

  /** What the command before answers, or a body: the members that it names are there, of the same type. */
  async json({ text }) {
    const expected = parseLoosely(text);
    if (this.#output === null) return;
    assert.notEqual(this.#output.trim(), "", "no command before it has written what this could be");
    const documents = this.#output.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
    const actual = documents.at(-1) ?? JSON.parse(this.#output);
    assert.deepEqual(likeness(expected, actual), [], this.#output);
    this.#output = "";
  }

  /** What the command before writes: each line is there, with anything in the place of `…` and of numbers. */
  async text({ text }) {
    const escaped = (line) => line.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/…/g, ".*").replace(/\d+/g, "\\d+");
    for (const line of text.split("\n").filter((one) => one.trim() !== "" && one.trim() !== "…")) {
      assert.match(this.#output ?? "", new RegExp(escaped(line), "m"), this.#output ?? "no command ran before");
    }
  }

  async python({ text, directives }) {
    // What is in the repository is started by tests of its own, a file by the blocks behind it.
    if (directives.from !== undefined) return;
    const code = `${await this.#real(text)}\n${directives.then ?? ""}\n`;
    const isSaved = directives.file !== undefined && directives.then === undefined;
    const script = isSaved ? `compile(${JSON.stringify(code)}, "block", "exec")` : code;
    await this.#passes(run(PYTHON, ["-"], { input: script, cwd: this.#folder, env: await this.#environment() }));
  }

  /** Its types are checked with all others (`types.test.mjs`). */
  async script({ text, directives, language }) {
    if (directives.then === undefined) return;
    const script = `${await this.#real(text)}\n${directives.then}\n`;
    const esbuild = join(ROOT, "client/node_modules/.bin/esbuild");
    const translated = await run(esbuild, [`--loader=${language}`, "--format=esm"], { input: script });
    assert.equal(translated.code, 0, translated.stderr);
    writeFileSync(join(this.#folder, "block.mjs"), translated.stdout);
    await this.#passes(run("node", ["block.mjs"], { cwd: this.#folder, env: await this.#environment() }));
  }

  /** Settings, or a catalog. */
  async toml({ text }) {
    const path = join(this.#folder, "block.toml");
    writeFileSync(path, text);
    if (!/^\[\[models\]\]/m.test(text)) {
      await this.#passes(run(binary(), ["config", "--config", path]));
      return;
    }
    const server = await Server.start({ options: ["--catalog", path] });
    await server.stop();
  }

  /** Lines of an `http` block, or of a `server` in it. */
  async nginx({ text }) {
    const inside = /^\s*(server|upstream)\b/m.test(text) ? text : `server { listen 127.0.0.1:1;\n${text}\n}`;
    const path = join(this.#folder, "nginx.conf");
    writeFileSync(path, `error_log stderr; pid nginx.pid; events {}\nhttp {\n${inside}\n}\n`);
    await this.#passes(run("nginx", ["-t", "-p", this.#folder, "-c", path, "-e", "stderr"], { env: { ...process.env, PATH } }));
  }

  async caddy({ text }) {
    writeFileSync(join(this.#folder, "Caddyfile"), text);
    await this.#passes(run("caddy", ["adapt", "--config", "Caddyfile"], { cwd: this.#folder }));
  }

  async haproxy({ text }) {
    writeFileSync(join(this.#folder, "haproxy.cfg"), text);
    await this.#passes(run("haproxy", ["-c", "-f", "haproxy.cfg"], { cwd: this.#folder, env: { ...process.env, PATH } }));
  }

  async html({ directives }) {
    assert.ok(directives.from ?? directives.file, "a page that no test opens");
  }

  async #passes(running) {
    const { code, stdout, stderr } = await running;
    assert.equal(code, 0, `${stderr}\n${stdout}`);
  }
}

/** With what `scripts/test` has installed for the guides, where it has. */
const PYTHON = [join(ROOT, "target/docs-python/bin/python3")].find((path) => existsSync(path)) ?? "python3";

/** What a block leaves in the environment is there in the next one. */
const RESUME = "if [ -e .exported ]; then . ./.exported; fi";

/** What becomes of a block, by its language. */
export const LANGUAGES = {
  sh: Page.prototype.sh,
  json: Page.prototype.json,
  text: Page.prototype.text,
  python: Page.prototype.python,
  js: Page.prototype.script,
  ts: Page.prototype.script,
  tsx: Page.prototype.script,
  toml: Page.prototype.toml,
  nginx: Page.prototype.nginx,
  caddy: Page.prototype.caddy,
  haproxy: Page.prototype.haproxy,
  html: Page.prototype.html,
};

/** The rest of the world: has the files of `fixtures/`, and takes whatever is sent to it. */
async function world() {
  const server = createServer((request, response) => {
    request.resume();
    const name = request.url.slice(1);
    if (request.method === "GET" && readdirSync(here("fixtures")).includes(name)) response.end(readFileSync(here(`fixtures/${name}`)));
    else response.writeHead(request.method === "POST" ? 204 : 404).end();
  });
  server.listen(0, "127.0.0.1").unref();
  await once(server, "listening");
  return server;
}
