// Draws the dashboard, light and dark, wide and on a phone, from what a real Prometheus has read of a real
// server under load, and takes pictures of it and of Prometheus' own pages of alerts. By hand, since
// Grafana's components are hundreds of megabytes:
//
//   (cd tests/watch/look && npm install) && node tests/watch/look/look.mjs FOLDER [MINUTES]
//
// With 0 minutes it draws once more what it has read the time before.
//
// What it is not: Grafana. Its server is in no package registry; panels, units, colours, legends and texts are
// Grafana's, their arrangement and the heatmap are ours.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { launch, Server } from "../../browser/support.mjs";
import { dashboard, filled, freePort, panels, passes, Prometheus, RULES, text } from "../support.mjs";

const [folder = "target/look", minutes = "4"] = process.argv.slice(2);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
mkdirSync(folder, { recursive: true });

if (minutes === "0") {
  await draw(JSON.parse(readFileSync(join(folder, "answers.json"), "utf8")));
} else {
  await observe(Number(minutes) * 60_000);
}

async function observe(ms) {
  const port = await freePort();
  const server = await Server.start({
    port, speed: 12,
    options: ["--public-url", `http://127.0.0.1:${port}`, "--concurrency", "fal=2", "--start-jitter", "0"],
  });
  const prometheus = await Prometheus.start(server.url, text(RULES).replaceAll(/^(\s+for:) \w+$/gm, "$1 0s"));
  const leave = new AbortController();
  try {
    const began = Date.now();
    await load(server, leave.signal, ms);
    const answers = await ask(prometheus, began);
    writeFileSync(join(folder, "answers.json"), JSON.stringify(answers));
    await alerts(prometheus);
    await draw(answers);
  } finally {
    leave.abort();
    await prometheus.stop();
    await server.stop();
  }
}

/** Jobs of all kinds with readers, some of them in trouble. */
async function load(server, signal, ms) {
  const until = Date.now() + ms;
  const post = (path, body) => fetch(server.url + path, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  }).then((response) => response.json(), () => ({}));
  const read = ({ stream_url: path }, headers = {}) => path && fetch(new URL(path, server.url), { headers, signal })
    .then((response) => response.body?.pipeTo(new WritableStream())).catch(() => {});
  for (let turn = 0; Date.now() < until; turn += 1) {
    const blog = await post("/api/jobs", { kind: "blog", input: { topic: `Why the sea is salty ${turn}`, words: 300, voiceover: turn % 3 === 0 } });
    for (let reader = 0; reader < 4; reader += 1) read(blog);
    read(blog, { "last-event-id": "1" });
    if (blog.poll_url) fetch(new URL(`${blog.poll_url}?wait=20`, server.url), { signal }).catch(() => {});
    if (turn % 5 === 1) await post("/api/jobs", { kind: "blog", input: { topic: `[fail] tea ${turn}` } });
    if (turn % 2 === 0) read(await post("/api/replicate/seedance-t2v/submit", { prompt: `a kite ${turn}`, duration: 5 }));
    if (turn % 7 === 3) await post("/api/replicate/seedance-t2v/submit", { prompt: `[500] a kite ${turn}`, duration: 5 });
    if (turn % 3 === 0) await post("/api/images/generate", { prompt: `a heron ${turn}` });
    if (turn % 4 === 0) await post("/api/fal/veo3_1/text-to-video/submit", { prompt: `${turn === 8 ? "[never]" : "[slow]"} a kite ${turn}` });
    if (turn === 10) await post("/api/jobs", { kind: "blog", input: { topic: "[stall] The long night" } });
    await passes(2_500);
  }
}

/** What every panel asks. */
async function ask(prometheus, began) {
  const step = 2;
  const to = Math.floor(Date.now() / 1000 / step) * step;
  const range = { from: (to - Math.floor((Date.now() - began) / 1000 / step) * step) * 1000, to: to * 1000, step: step * 1000 };
  const answers = {};
  for (const { id, targets } of panels()) {
    for (const { refId, expr } of targets) {
      answers[`${id}${refId}`] = await prometheus.range(filled(expr, { window: "20s" }), (range.to - range.from) / 1000, step, to);
    }
  }
  return { range, answers };
}

async function draw({ range, answers }) {
  const script = join(folder, "page.js");
  execFileSync(here("node_modules/.bin/esbuild"), [
    here("page.tsx"), "--bundle", "--jsx=automatic", "--format=iife", `--outfile=${script}`, "--log-level=error",
    '--define:process.env.NODE_ENV="production"', "--define:global=window",
    "--loader:.svg=dataurl", "--loader:.woff2=dataurl", "--loader:.ttf=dataurl",
  ]);
  const browser = await launch();
  for (const mode of ["light", "dark"]) {
    for (const [name, width] of [["wide", 1600], ["phone", 390]]) {
      const look = JSON.stringify({ dashboard: dashboard(), answers, range, mode }).replaceAll("<", "\\u003c");
      const code = readFileSync(script, "utf8").replaceAll("</script", "<\\/script");
      const style = readFileSync(join(folder, "page.css"), "utf8");
      const html = `<!doctype html><meta charset=utf-8><style>${style}</style><body style="margin:0"><div id=root></div><script>window.look=${look}</script><script>${code}</script>`;
      const path = join(folder, `dashboard-${mode}-${name}.html`);
      writeFileSync(path, html);
      const page = await browser.newPage({ viewport: { width, height: 1000 } });
      page.on("pageerror", (error) => console.log(`${mode} ${name}: ${error}`));
      await page.goto(pathToFileURL(path).href);
      await page.waitForSelector("[data-panel]");
      await passes(3_000);
      await page.screenshot({ path: join(folder, `dashboard-${mode}-${name}.png`), fullPage: true });
      const empty = await page.locator("[data-panel]:has-text('No data')").evaluateAll((found) => found.map(({ dataset }) => dataset.panel));
      if (empty.length > 0) console.log(`${mode} ${name}: nothing in ${empty.join(", ")}`);
      await page.close();
    }
  }
  await browser.close();
}

/** What Prometheus itself shows. */
async function alerts(prometheus) {
  const browser = await launch();
  for (const [name, path] of [
    // Debian's package has the older pages only.
    ["alerts", "/classic/alerts"], ["rules", "/classic/rules"], ["targets", "/classic/targets"],
    ["graph", `/classic/graph?g0.expr=${encodeURIComponent('tailwater_job_silence_seconds_max{job="tailwater"}')}&g0.tab=0&g0.range_input=10m`],
  ]) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
    const response = await page.goto(prometheus.url + path);
    await passes(2_000);
    if (!response.ok()) throw new Error(`${path} answered ${response.status()}`);
    await page.screenshot({ path: join(folder, `prometheus-${name}.png`), fullPage: true });
    await page.close();
  }
  await browser.close();
}
