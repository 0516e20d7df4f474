// A real Prometheus asks a real server at which all kinds of things happen, some of them bad: the dashboard
// has something to show in every panel, and the alert about a stuck job finds the one that is stuck.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { Server } from "../browser/support.mjs";
import {
  DASHBOARD, dashboard, expressions, filled, freePort, metricsIn, passes, Prometheus, RULES, text, until,
} from "./support.mjs";

/** What is shorter here than in the file: a minute and a quarter of silence, and how long it has to last. */
const SHORTER = [[/^(\s+for:) \w+$/gm, "$1 0s"], ["> 75", "> 5"]];

/** A secret as an operator makes one. */
const SECRET = `whsec_${Buffer.from("the webhooks of this test only").toString("base64")}`;

/** What may be empty on a healthy server: what it is about does not happen here. */
const MAY_BE_EMPTY = new Set(["mark: Starts"]);

let server, prometheus, receiver;
const began = Date.now();
const leave = new AbortController();

before(async () => {
  receiver = await new Promise((resolve) => {
    const listening = createServer((request, response) => {
      response.statusCode = request.url === "/gone" ? 410 : 200;
      response.end();
    }).listen(0, "127.0.0.1", () => resolve(listening));
  });
  const port = await freePort();
  server = await Server.start({
    port,
    // With a public URL, the simulated providers call back.
    options: [
      "--public-url", `http://127.0.0.1:${port}`, "--webhook-allow-private", "on",
      "--concurrency", "fal=1", "--start-jitter", "0",
    ],
    env: { TAILWATER_WEBHOOK_SECRET: SECRET },
  });
  const rules = SHORTER.reduce((changed, [from, to]) => changed.replaceAll(from, to), text(RULES));
  prometheus = await Prometheus.start(server.url, rules);
  // A counter that appears with its first value has not risen: all of this happens twice, a while apart.
  await happen();
  await passes(3_000);
  await happen();
  await write();
});

after(async () => {
  leave.abort();
  await writing?.catch(() => {});
  await prometheus?.stop();
  await server?.stop();
  receiver?.close();
});

const at = (path) => `http://127.0.0.1:${receiver.address().port}${path}`;

async function post(path, body) {
  const response = await fetch(new URL(path, server.url), {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, `${path}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Reads a stream until the test is over. */
async function read(path, headers = {}) {
  const response = await fetch(new URL(path, server.url), { headers, signal: leave.signal });
  const body = response.body.pipeTo(new WritableStream(), { signal: leave.signal });
  body.catch(() => {});
}

let writing;

/** A worker of one's own that writes while somebody reads, until the test is over: its deliveries are live. */
async function write() {
  const job = await server.submit({ kind: "external" });
  await read(job.stream_url);
  writing = (async () => {
    for (let line = 1; !leave.signal.aborted; line += 1) {
      const event = { type: "progress", data: { percent: line % 100 }, producer_seq: line };
      await post(job.events_url, event);
      await passes(250);
    }
  })();
  // The server is killed in the end; before, whoever waits for deliveries says that there are none.
  writing.catch(() => {});
}

let submitted = 0;

/** Everything that the dashboard has a panel about. */
async function happen() {
  // The same again at once would be taken for the same job.
  const prompt = (words) => `${words} ${submitted += 1}`;
  const blog = (topic, more = {}) => server.submit({ kind: "blog", input: { topic, words: 120, ...more } });
  const told = await server.submit({
    kind: "blog", input: { topic: prompt("Why the sea is salty"), words: 80, voiceover: true }, webhook_url: at("/hook"),
  });
  await read(told.stream_url);
  await read(told.stream_url, { "last-event-id": "1" });
  fetch(new URL(`${told.poll_url}?wait=30`, server.url), { signal: leave.signal }).catch(() => {});
  await server.submit({ kind: "blog", input: { topic: prompt("[fail] tea") }, webhook_url: at("/gone") });
  await read((await blog(prompt("[stall] The long night"))).stream_url);
  await post("/api/images/generate", { prompt: prompt("a heron") });
  await post("/api/replicate/seedance-t2v/submit", { prompt: prompt("a kite"), duration: 5 });
  await post("/api/replicate/seedance-t2v/submit", { prompt: prompt("[500] a kite"), duration: 5 });
  // One of them runs for ever, and the other waits for it.
  const video = () => post("/api/fal/veo3_1/text-to-video/submit", { prompt: prompt("[never] a red kite") });
  await Promise.all([video(), video()]);
}

test("a job that is stuck is found, by its provider", async () => {
  const stuck = await until("TailwaterJobStuck fires", async () => {
    const alerts = await prometheus.alerts();
    return alerts.find(({ labels }) => labels.alertname === "TailwaterJobStuck" && labels.provider === "chat");
  });
  assert.match(stuck.annotations.summary, /^A job at chat has said nothing for \d/);
  assert.equal(stuck.annotations.runbook_url, "docs/guides/watch.md#tailwaterjobstuck");
  // It is said by the metrics alone: a job runs there, and it is the only one that is quiet.
  const [running] = await prometheus.query('tailwater_jobs_running{provider="chat"}');
  assert.ok(Number(running.value[1]) >= 1);
});

const sources = () => [
  ...expressions(),
  ...dashboard().templating.list.filter(({ type }) => type === "query")
    .map(({ name, query }) => ({ place: `variable: ${name}`, expr: query.query })),
];

test("whatever the dashboard and the rules name is in /metrics", async () => {
  const wanted = new Map();
  for (const { place, expr } of sources()) for (const name of metricsIn(expr)) wanted.set(name, place);
  for (const { name, query } of await prometheus.rules()) {
    for (const metric of metricsIn(query)) wanted.set(metric, name);
  }
  assert.ok(wanted.size > 40, `${DASHBOARD} asks for ${wanted.size} metrics`);
  let missing = [];
  await until("every metric is there", async () => {
    const shown = await (await fetch(`${server.url}/metrics`)).text();
    const names = new Set(shown.match(/^[a-z_]+(?=[{ ])/gm));
    missing = [...wanted].filter(([name]) => !names.has(name));
    return missing.length === 0;
  }).catch((error) => { throw new Error([error.message, ...missing.flat()].join("\n")); });
});

test("every metric of the server is looked at somewhere", async () => {
  const shown = await (await fetch(`${server.url}/metrics`)).text();
  const asked = new Set([...sources().map(({ expr }) => expr), text(RULES)].flatMap(metricsIn)
    .map((name) => name.replace(/_bucket$/, "")));
  const unseen = [...shown.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name).filter((name) => !asked.has(name));
  assert.deepEqual(unseen, []);
});

test("every expression of the dashboard is valid, and has something to show", async () => {
  const empty = new Map();
  await until("every panel has something to show", async () => {
    empty.clear();
    for (const { place, expr } of expressions()) {
      const series = await prometheus.range(filled(expr), (Date.now() - began) / 1000);
      const points = series.flatMap(({ values }) => values).filter(([, value]) => value !== "NaN");
      if (points.length === 0 && !MAY_BE_EMPTY.has(place)) empty.set(place, expr);
    }
    return empty.size === 0;
  }).catch((error) => { throw new Error([error.message, ...empty.keys()].join("\n")); });
});

test("every rule is evaluated, and none fails", async () => {
  const rules = await prometheus.rules();
  assert.equal(rules.length, text(RULES).match(/- alert: /g).length);
  for (const { name, health, lastError } of rules) assert.equal(health, "ok", `${name}: ${lastError}`);
});

test("nothing is said to be wrong that is not", async () => {
  const expected = new Set([
    "TailwaterJobStuck", "TailwaterWebhooksGivenUp", "TailwaterProviderErrors", "TailwaterJobsFailing",
    "TailwaterQueueBacksUp", "TailwaterProviderDown",
    // A machine that is busy with other things may be slow, and it would be right to say so.
    "TailwaterDeliveriesSlow", "TailwaterDurableLagHigh",
  ]);
  const firing = await prometheus.alerts();
  assert.deepEqual(firing.map(({ labels }) => labels.alertname).filter((name) => !expected.has(name)), []);
  for (const { annotations } of firing) assert.doesNotMatch(JSON.stringify(annotations), /error expanding|<no value>/);
});

test("a server that is gone is missing", async () => {
  await server.kill();
  await until("TailwaterTargetMissing fires", async () => {
    const alerts = await prometheus.alerts();
    return alerts.some(({ labels }) => labels.alertname === "TailwaterTargetMissing");
  });
});
