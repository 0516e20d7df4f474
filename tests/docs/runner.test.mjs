// The runner finds what it is there to find.

import assert from "node:assert/strict";
import { test } from "node:test";

import { likeness, parseLoosely } from "./expected.mjs";
import { parse } from "./markdown.mjs";
import { Page } from "./page.mjs";

const pageOf = (...lines) => parse("page.md", lines.join("\n"));

/** What becomes of each block of a page: null, or why it failed. */
async function followed(...lines) {
  const page = pageOf(...lines);
  const opened = await Page.open(page);
  const outcomes = [];
  for (const block of page.blocks) outcomes.push(await opened.follow(block).then(() => null, (error) => error.message));
  await opened.close();
  return outcomes;
}

test("comments above a fence belong to it, others to nobody", () => {
  const { blocks } = pageOf("<!-- not run: why -->", "", "```sh", "one", "```", "<!-- exit: 3 -->", "text", "```sh", "two", "```");
  assert.deepEqual(blocks.map(({ directives }) => directives), [{ "not run": "why" }, {}]);
  assert.equal(pageOf("<!-- notrun: why -->", "```sh", "```").blocks[0].directives.unknown, "notrun: why");
  assert.deepEqual(pageOf("<!-- server: A=b --flag on -->").server, { env: { A: "b" }, options: ["--flag", "on"] });
});

test("an answer has what is shown of it, and may have more", () => {
  const shown = parseLoosely('{"id": "job_…", "list": [{"a": 1}, …], "rest": {…}, …}');
  assert.deepEqual(likeness(shown, { id: "job_1", list: [{ a: 2, b: 3 }], rest: {}, more: true }), []);
  assert.deepEqual(likeness(shown, { id: 1, list: [{}] }), ["/id is no string", "/list/0/a is not there", "/rest is not there"]);
});

test("a body is held against the command before it, and stands by itself only where there is none", async () => {
  const outcomes = await followed(
    "```json", '{"kind": "external"}', "```",
    "```sh", "true", "```",
    "```json", '{"available": 1}', "```",
    "```sh", "echo '{\"available\": 2}'", "```",
    "```json", '{"available": 1}', "```",
    "```json", '{"available": 1}', "```",
  );
  assert.deepEqual(outcomes.map((why) => why === null), [true, true, false, true, true, false]);
});

test("what a page says and what happens are held against each other", async () => {
  const outcomes = await followed(
    "```sh", "curl -s localhost:8080/api/nothing", "```",
    "```sh", "curl -s localhost:8080/api/credits", "```",
    "```json", '{"available": 1, "missing": 2}', "```",
    "```sh", "export WORD=kept", "```",
    "```sh", "echo $WORD in 3 s", "```",
    "```text", "kept in 5 s", "lost", "```",
    "<!-- exit: 4 -->", "```sh", "exit 4", "```",
    "```python", "raise SystemExit(1)", "```",
    "```toml", 'wrokers = 3', "```",
    "```nginx", "proxy_buffring off;", "```",
    "<!-- from: LICENSE-MIT -->", "```sh", "nobody wrote this", "```",
  );
  assert.deepEqual(outcomes.map((why) => why === null), [false, true, false, true, true, false, true, false, false, false, false]);
  assert.match(outcomes[2], /missing is not there/);
});
