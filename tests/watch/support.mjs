// What these tests stand on: a Prometheus of their own, and what the dashboard asks it.

import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { PATIENCE_MS } from "../browser/support.mjs";

const run = promisify(execFile);

/** A file of the project, by its path from the root. */
export const file = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
export const text = (path) => readFileSync(file(path), "utf8");

export const RULES = "packaging/prometheus/tailwater.rules.yml";
export const DASHBOARD = "packaging/grafana/tailwater.json";

export const dashboard = () => JSON.parse(text(DASHBOARD));
export const panels = () => dashboard().panels.filter(({ type }) => type !== "row");

/** What promtool says, with or without complaint. */
export async function promtool(...arguments_) {
  const { stdout, stderr } = await run("promtool", arguments_)
    .catch((error) => { throw new Error(`promtool ${arguments_.join(" ")}: ${error.stdout}${error.stderr}`); });
  return stdout + stderr;
}

export const freePort = () => new Promise((resolve) => {
  const listener = createServer().listen(0, "127.0.0.1", () => {
    const { port } = listener.address();
    listener.close(() => resolve(port));
  });
});

export const passes = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Asks again until there is an answer. */
export async function until(what, ask) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`not in ${PATIENCE_MS} ms: ${what}`);
    await passes(200);
  }
}

/** An expression as Grafana sends it, for the job and all nodes. */
export const filled = (expression, { window = "15s", job = "tailwater" } = {}) => expression
  .replaceAll("$__rate_interval", window)
  .replaceAll("$job", job)
  .replaceAll("$instance", ".*");

/** Every expression of the dashboard: of panels, marks and variables. */
export function expressions() {
  const { annotations } = dashboard();
  const ofPanels = panels().flatMap(({ title, targets }) =>
    targets.map(({ expr, legendFormat }) => ({ place: `${title}: ${legendFormat}`, expr })));
  const ofMarks = annotations.list.filter(({ expr }) => expr)
    .map(({ name, expr }) => ({ place: `mark: ${name}`, expr }));
  return [...ofPanels, ...ofMarks];
}

/** The names of metrics in an expression. Whatever stands in quotes or for labels is none. */
export function metricsIn(expression) {
  const bare = expression.replaceAll(/"[^"]*"/g, "").replaceAll(/\{[^}]*\}/g, "");
  return [...new Set(bare.match(/\b(tailwater|process)_\w+\b/g) ?? [])];
}

/** A Prometheus that asks one server each second. */
export class Prometheus {
  #process;
  #folder;
  url;

  /** `rules` is the text of a file of rules. */
  static async start(target, rules) {
    const prometheus = new Prometheus();
    prometheus.#folder = await mkdtemp(join(tmpdir(), "tailwater-watch-"));
    const at = (name) => join(prometheus.#folder, name);
    // The example of the project, asked oftener: what is left out of it would not be tried.
    const config = text("packaging/prometheus/prometheus.yml")
      .replaceAll(/_interval: 15s/g, "_interval: 1s")
      .replace("127.0.0.1:8080", new URL(target).host);
    await writeFile(at("prometheus.yml"), config);
    await writeFile(at("tailwater.rules.yml"), rules);
    const address = `127.0.0.1:${await freePort()}`;
    prometheus.url = `http://${address}`;
    const child = spawn("prometheus", [
      `--config.file=${at("prometheus.yml")}`, `--storage.tsdb.path=${at("data")}`,
      `--web.listen-address=${address}`, "--log.level=warn",
    ], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (bytes) => { said = (said + bytes).slice(-4_000); });
    prometheus.#process = child;
    await until("Prometheus is ready", async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus exited with ${child.exitCode}: ${said}`);
      return (await fetch(`${prometheus.url}/-/ready`).catch(() => null))?.ok;
    });
    return prometheus;
  }

  async #ask(path, parameters = {}) {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { status, data, error } = await response.json();
    if (status !== "success") throw new Error(`${JSON.stringify(parameters)}: ${error}`);
    return data;
  }

  /** What an expression is now: `[{metric, value}]`. */
  async query(query) {
    return (await this.#ask("query", { query })).result;
  }

  /** What it was in the last `seconds`: `[{metric, values}]`. */
  async range(query, seconds = 60, step = 1, end = Date.now() / 1000) {
    return (await this.#ask("query_range", { query, start: end - seconds, end, step })).result;
  }

  async alerts(state = "firing") {
    return (await this.#ask("alerts")).alerts.filter((alert) => alert.state === state);
  }

  async rules() {
    return (await this.#ask("rules")).groups.flatMap(({ rules }) => rules);
  }

  async stop() {
    const child = this.#process;
    if (child.exitCode === null) {
      const ended = new Promise((resolve) => { child.once("exit", resolve); });
      child.kill("SIGTERM");
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
