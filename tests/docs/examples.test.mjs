// Every example is started as its README says, and does what it says.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { read, ROOT } from "./markdown.mjs";
import { binary, freePort, launch, PATIENCE_MS, Program, run, Server } from "./support.mjs";

const example = (path) => join(ROOT, "examples", path);

let server;
let browser;
/** Where the pages are served: the server lets them in. */
let port;
const programs = [];

before(async () => {
  port = await freePort();
  server = await Server.start({ speed: 200, options: ["--cors-origins", `http://localhost:${port}`] });
  browser = await launch();
});

after(async () => {
  for (const program of programs) await program.stop();
  await browser?.close();
  await server?.stop();
});

const environment = (more = {}) => ({ ...process.env, TAILWATER_SERVER: server.url, PORT: String(port), PYTHONDONTWRITEBYTECODE: "1", ...more });

function start(command, args, options) {
  const program = new Program(command, args, options);
  programs.push(program);
  return program;
}

/** The types and data of a job's events, once it has ended. */
async function eventsOf(job) {
  const { events, ended } = await server.json(`/api/jobs/${job}/events`);
  assert.ok(ended, "the job has not ended");
  return events;
}

const typesOf = (events) => events.map(({ type }) => type);

/** Waits for a page to say that its job is over. */
const isDone = (page) => page.waitForFunction(() => document.querySelector("[role=status]").textContent === "completed", null, { timeout: PATIENCE_MS });

async function open(address) {
  const page = await browser.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error" && !/favicon|404/.test(message.text())) page.errors.push(message.text()); });
  await page.goto(address);
  return page;
}

test("curl: the script submits, works, watches", async () => {
  const { code, stdout, stderr } = await run(example("curl/demo.sh"), [], { env: environment() });
  assert.equal(code, 0, stderr);
  const [job] = /job_\w+/.exec(stdout);
  assert.deepEqual(typesOf(await eventsOf(job)).slice(2), ["frame.rendered", "frame.rendered", "frame.rendered", "completed"]);
  assert.match(stdout, /event: frame\.rendered\n\s+data: \{"frame": 3\}[^]*event: completed/, "the reader saw it");
});

test("python-worker: what it pushes reaches a reader, and what waited is done first", async () => {
  const early = await server.submit({ kind: "external", input: { size: 32 } });
  const worker = start("python3", ["worker.py"], { cwd: example("python-worker"), env: environment() });
  await worker.until(`${early.job_id} is done`);
  const late = await server.submit({ kind: "external", input: { size: 64 } });
  const stream = await fetch(server.url + late.stream_url);
  const text = await stream.text(); // it ends with the job
  assert.match(text, /event: progress\ndata: .*"32 of 64 rows"[^]*event: artifact_ready[^]*event: completed/);
  const { artifacts, result } = await server.json(`/api/jobs/${late.job_id}`);
  assert.deepEqual(result, { size: 64 });
  assert.equal(artifacts[0].media_type, "image/png");
  assert.equal(artifacts[0].width, 64);
});

test("python-worker: a job that fails says so, and the worker goes on", async () => {
  const worker = programs.at(-1);
  const wrong = await server.submit({ kind: "external", input: { size: "wide" } });
  await worker.until(`${wrong.job_id} failed`);
  assert.equal((await eventsOf(wrong.job_id)).at(-1).data.code, "worker_failed");
  const right = await server.submit({ kind: "external", input: { size: 16 } });
  await worker.until(`${right.job_id} is done`);
});

test("python-worker: a restart of the server in the middle loses nothing and doubles nothing", async () => {
  const { job_id: job } = await server.submit({ kind: "external", input: { size: 300 } });
  await programs.at(-1).until(`working on ${job}`);
  await server.kill();
  await server.start();
  await programs.at(-1).until(`${job} is done`);
  const rows = (await eventsOf(job)).filter(({ type }) => type === "progress").map(({ data }) => data.message);
  assert.deepEqual(rows, Array.from({ length: 18 }, (_, index) => `${16 * (index + 1)} of 300 rows`));
});

test("html: the page writes a post, and shows what the Python worker draws", async () => {
  const pages = start("python3", ["-u", "-m", "http.server", String(port)], { cwd: example("html") });
  await pages.until("Serving HTTP");
  const page = await open(`http://localhost:${port}/?server=${server.url}`);
  await page.fill("#topic", "Why the moon is far");
  await page.click("text=Write");
  await isDone(page);
  assert.match(await page.textContent("#text"), /Why the moon is far/);
  await page.click("text=Ask the Python worker");
  await page.waitForFunction(() => document.querySelector("#files img")?.naturalWidth === 256, null, { timeout: PATIENCE_MS });
  await isDone(page);
  assert.deepEqual(page.errors, []);
  await page.close();
  await pages.stop();
});

test("quick start: the page in it shows the worker's picture", async () => {
  const { blocks } = read("docs/guides/quick-start.md");
  const { text } = blocks.find(({ language }) => language === "html");
  const { job_id: job } = await server.submit({ kind: "external", input: { size: 48 } });
  const folder = await mkdtemp(join(tmpdir(), "tailwater-docs-"));
  await writeFile(join(folder, "job.html"), text.replace("http://localhost:8080", server.url).replace("job_…", job));
  const pages = start("python3", ["-u", "-m", "http.server", String(port)], { cwd: folder });
  await pages.until("Serving HTTP");
  const page = await open(`http://localhost:${port}/job.html`);
  await page.waitForFunction(() => document.querySelector("img")?.naturalWidth === 48 && document.querySelector("output").value === "done", null, { timeout: PATIENCE_MS });
  assert.deepEqual(page.errors, []);
  await page.close();
  await pages.stop();
  await rm(folder, { recursive: true });
});

/** Makes a key for somebody, and waits until nothing works without one. */
async function keyFor(name, scopes) {
  const env = { ...process.env, TAILWATER_DATA: server.data };
  const { stdout, stderr } = await run(binary(), ["keys", "create", "--scope", scopes, "--name", name], { env });
  assert.match(stdout, /^tw_/, stderr);
  const key = stdout.trim();
  for (;;) { // the server notices within a second
    const without = await fetch(`${server.url}/api/jobs`);
    const by = await fetch(`${server.url}/api/jobs`, { headers: { authorization: `Bearer ${key}` } });
    if (without.status === 401 && by.status === 200) return key;
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

test("python-worker: once there is a key, it says that it needs one, and works with it", async () => {
  const old = programs.find((program) => program.said.includes("waiting for jobs"));
  const key = await keyFor("worker", "submit,read,publish");
  await old.until("set TAILWATER_API_KEY");
  const worker = start("python3", ["worker.py"], { cwd: example("python-worker"), env: environment({ TAILWATER_API_KEY: key }) });
  const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
  const body = JSON.stringify({ kind: "external", input: { size: 16 } });
  const answer = await (await fetch(`${server.url}/api/jobs`, { method: "POST", headers, body })).json();
  await worker.until(`${answer.job_id} is done`);
});

test("node-backend: a browser watches what the backend submitted with its key", async () => {
  const key = await keyFor("backend", "submit,read");
  const backend = start("node", ["server.mjs"], { cwd: example("node-backend"), env: environment({ TAILWATER_API_KEY: key }) });
  await backend.until("open http");
  const page = await open(`http://localhost:${port}/`);
  const answered = page.waitForResponse((response) => response.url().endsWith("/generate"));
  await page.click("text=Write >> nth=-1");
  const { stream_url } = await (await answered).json();
  assert.match(stream_url, /ticket=/);
  await isDone(page);
  assert.match(await page.textContent("article"), /Why the sea is salty/);
  assert.deepEqual(page.errors, []);
  assert.ok(!(await page.content()).includes(key), "the key is in the page");
  await page.close();
  await backend.stop();
});
