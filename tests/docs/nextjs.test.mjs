// The Next.js page is installed and built as its users do it, and shows a post in a browser.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { join } from "node:path";

import { ROOT } from "./markdown.mjs";
import { freePort, launch, PATIENCE_MS, Program, run, Server } from "./support.mjs";

const FOLDER = join(ROOT, "examples/nextjs");
const QUIET = { NEXT_TELEMETRY_DISABLED: "1" };

let server;
let browser;
let next;
let port;

before(async () => {
  port = await freePort();
  server = await Server.start({ speed: 200, options: ["--cors-origins", `http://localhost:${port}`] });
  browser = await launch();
});

after(async () => {
  await next?.stop();
  await browser?.close();
  await server?.stop();
});

test("nextjs: it builds, and its page shows the post that its route submitted", async () => {
  const env = { ...process.env, ...QUIET };
  assert.ok(existsSync(join(ROOT, "client/dist/react.js")), "the client is not built: npm --prefix client run build");
  const installed = await run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: FOLDER, env, timeoutMs: 300_000 });
  assert.equal(installed.code, 0, installed.stderr);
  const built = await run("npx", ["next", "build"], { cwd: FOLDER, env, timeoutMs: 400_000 });
  assert.equal(built.code, 0, built.stdout + built.stderr);
  next = new Program("npx", ["next", "start", "--port", String(port)], { cwd: FOLDER, env: { ...env, TAILWATER_SERVER: server.url } });
  await next.until(/Ready in/);
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(`http://localhost:${port}/`);
  await page.fill("[name=topic]", "Why rivers bend");
  // A click before React is there would send the form by itself.
  await page.waitForLoadState("networkidle");
  await page.click("button");
  await page.waitForFunction(() => document.querySelector("[role=status]").textContent === "completed", null, { timeout: PATIENCE_MS });
  assert.match(await page.textContent("article"), /Why rivers bend/);
  assert.equal(await page.locator("progress").evaluate((bar) => bar.value), 100);
  assert.deepEqual(errors, []);
});
