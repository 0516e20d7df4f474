// The files that an operator loads: each is valid by the program that will read it, says what to do, and
// points to where more stands.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { complaints } from "./schema.mjs";
import { dashboard, file, panels, promtool, RULES, text } from "./support.mjs";

const GUIDE = "docs/guides/watch.md";

/** The alerts of the file of rules, as `{name, body}`; how each is written is promtool's to judge. */
const alerts = () => text(RULES).split(/^ {6}- alert: /m).slice(1)
  .map((body) => ({ name: body.split("\n", 1)[0], body }));

test("Prometheus takes the rules and the example of its configuration", async () => {
  assert.match(await promtool("check", "rules", file(RULES)), new RegExp(`SUCCESS: ${alerts().length} rules found`));
  assert.match(await promtool("check", "config", file("packaging/prometheus/prometheus.yml")), /is valid/);
});

test("each rule fires when it should, and not before", async () => {
  assert.match(await promtool("test", "rules", file("packaging/prometheus/tailwater.test.yml")), /SUCCESS/);
  const tests = text("packaging/prometheus/tailwater.test.yml");
  for (const { name } of alerts()) assert.match(tests, new RegExp(`\\b${name}\\b`), `no test of ${name}`);
});

test("each alert has a severity, a text, and a section of the guide", () => {
  const headings = new Set([...text(GUIDE).matchAll(/^#+ (\w+)$/gm)].map(([, heading]) => heading));
  for (const { name, body } of alerts()) {
    assert.match(body, /severity: (critical|warning)$/m, name);
    assert.match(body, /summary: /, name);
    assert.match(body, /description: /, name);
    assert.ok(body.includes(`runbook_url: ${GUIDE}#${name.toLowerCase()}\n`), `${name} has no link to its section`);
    assert.ok(headings.has(name), `${GUIDE} has no section ${name}`);
  }
  const names = new Set(alerts().map(({ name }) => name));
  const strangers = [...headings].filter((heading) => heading.startsWith("Tailwater") && !names.has(heading));
  assert.deepEqual(strangers.filter((heading) => heading !== "Tailwater"), [], "sections of alerts that are gone");
});

test("the dashboard is what its maker writes", () => {
  execFileSync(process.execPath, [file("packaging/grafana/make.mjs"), "--check"], { stdio: "pipe" });
});

test("the dashboard has the types that Grafana publishes", async () => {
  assert.equal(await complaints(), "");
});

test("what Grafana does not know in a dashboard is found", async () => {
  const board = dashboard();
  const [, first] = board.panels;
  first.options.colourMode = "value";
  first.gridPos.x = "left";
  const said = await complaints(board);
  assert.match(said, /'"colourMode"' does not exist/);
  assert.match(said, /Type 'string' is not assignable to type 'number'/);
});

test("each panel says what it means and what to do, and leads to the operator's page", () => {
  for (const { title, description, links } of panels()) {
    assert.ok(description.length > 60, `${title} says too little`);
    assert.equal(links[0].url, "${url}/admin", title);
  }
});

test("no panel lies on another, and each has a number of its own", () => {
  const { panels: all } = dashboard();
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  for (const [place, { title, gridPos: one }] of all.entries()) {
    assert.ok(one.x + one.w <= 24, title);
    for (const { title: other, gridPos: two } of all.slice(place + 1)) {
      const apart = one.x + one.w <= two.x || two.x + two.w <= one.x || one.y + one.h <= two.y || two.y + two.h <= one.y;
      assert.ok(apart, `${title} and ${other}`);
    }
  }
});
