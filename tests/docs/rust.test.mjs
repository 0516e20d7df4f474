// The worker in Rust is built, by itself, and its events arrive.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { join } from "node:path";

import { ROOT } from "./markdown.mjs";
import { run, Server } from "./support.mjs";

let server;
before(async () => { server = await Server.start(); });
after(() => server?.stop());

test("rust-worker: it is built, and what it pushes is there", async () => {
  const options = { cwd: join(ROOT, "examples/rust-worker"), env: { ...process.env, TAILWATER_SERVER: server.url }, timeoutMs: 500_000 };
  const { code, stdout, stderr } = await run("cargo", ["run", "--quiet", "--locked", "--", "2"], options);
  assert.equal(code, 0, stderr);
  const [job] = /job_\w+/.exec(stdout);
  const { events } = await server.json(`/api/jobs/${job}/events`);
  assert.deepEqual(events.slice(2).map(({ type }) => type), ["progress", "frame.rendered", "progress", "frame.rendered", "completed"]);
});
