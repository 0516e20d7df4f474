// What `tailwater doctor` says of the path, behind real proxies that do real harm: it has to name what
// each does, and nothing else.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { caddy, haproxy } from "./debian.mjs";
import { Nginx } from "./nginx.mjs";
import { binary, Server, Wire } from "./support.mjs";

/** After how long the wire cuts a connection, in milliseconds. */
const LIFE_MS = 8_000;

let server;
let closed;
let key;
const proxies = {};

before(async () => {
  // Both begin open; the second one is closed by its first key.
  [server, closed] = await Promise.all([Server.start(), Server.start()]);
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ name: "doctor", scopes: ["submit", "read", "publish"] });
  const made = await fetch(`${closed.url}/api/keys`, { method: "POST", headers, body });
  const answer = await made.json();
  assert.equal(made.status, 201, JSON.stringify(answer));
  key = answer.key;
  await Promise.all([
    Nginx.start({ url: server.url, pages: "/nowhere" }).then((nginx) => { proxies.nginx = nginx; }),
    Nginx.start({ url: closed.url, pages: "/nowhere" }).then((nginx) => { proxies.closed = nginx; }),
    haproxy(server).then((proxy) => { proxies.haproxy = proxy; }),
    caddy(server).then((proxy) => { proxies.caddy = proxy; }),
  ]);
});

after(async () => {
  await Promise.all(Object.values(proxies).map((proxy) => proxy.stop()));
  await Promise.all([server, closed].map((one) => one?.stop()));
});

/** Runs `tailwater doctor` to its end; no setting of whoever runs the tests counts. */
async function run(options, variables = {}) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("TAILWATER_") && !/_(KEY|TOKEN|SECRET)$/.test(name));
  const env = { ...Object.fromEntries(own), ...variables };
  const child = spawn(binary(), ["doctor", "--data", join(tmpdir(), "tailwater-doctor-of-nobody"), ...options], { env, stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of Object.keys(said)) child[name].on("data", (bytes) => { said[name] += bytes; });
  const code = await new Promise((resolve, reject) => { child.once("error", reject).once("close", resolve); });
  return { code, ...said };
}

/** What it says of a path: the checks that are at fault, and each finding by its check. */
async function doctor(url, { idle = 30, options = [], variables } = {}) {
  const { code, stdout, stderr } = await run(["--json", "--url", url, "--idle", String(idle), ...options], variables);
  const report = JSON.parse(stdout || "null");
  assert.notEqual(report, null, stderr);
  const faults = report.findings.filter(({ verdict }) => verdict === "fault").map(({ check }) => check);
  const by = Object.fromEntries(report.findings.map((finding) => [finding.check, finding]));
  assert.equal(code, faults.length === 0 ? 0 : 1, stdout);
  return { faults, by, text: stdout };
}

/** Whether it was about so many seconds. */
function isAbout(ms, seconds) {
  assert.ok(Math.abs(ms - seconds * 1_000) < 2_000, `${ms} ms are not about ${seconds} s`);
}

// Most of each is waiting; but events are timed, so not too many at once.
describe("the doctor", { concurrency: 4 }, () => {
  test("finds no fault behind HAProxy as Debian has it, and that it cuts 50 s of silence", async () => {
    const { faults, by, text } = await doctor(proxies.haproxy.url, { idle: 58 });
    assert.deepEqual(faults, [], text);
    assert.equal(by["path.reach"].measured.proxy, "HAProxy");
    isAbout(by["path.silence"].measured.cut_after_ms, 50);
    assert.match(by["path.silence"].text, /which no stream reaches/);
    assert.equal(by["path.pushes"].verdict, "good");
  });

  test("finds no fault behind Caddy as Debian has it", async () => {
    const { faults, by, text } = await doctor(proxies.caddy.url);
    assert.deepEqual(faults, [], text);
    assert.equal(by["path.reach"].measured.proxy, "Caddy");
    assert.equal(by["path.silence"].measured.watched_ms, 30_000);
    assert.equal(by["path.pushes"].verdict, "good");
  });

  test("finds no fault behind an nginx that listens to the server, but that it holds pushes", async () => {
    const { faults, by, text } = await doctor(proxies.nginx.urls.plain);
    assert.deepEqual(faults, [], text);
    assert.equal(by["path.reach"].measured.proxy, "nginx");
    assert.equal(by["path.pushes"].verdict, "warning");
    assert.equal(by["path.pushes"].remedies[0].proxy, "nginx");
    assert.match(by["path.pushes"].remedies[0].lines.join("\n"), /proxy_request_buffering off;/);
  });

  test("names buffering behind an nginx that buffers", async () => {
    const { faults, by, text } = await doctor(proxies.nginx.urls.buffering);
    assert.deepEqual(faults, ["path.buffering"], text);
    assert.match(by["path.buffering"].text, /until the stream ends/);
    assert.equal(by["path.buffering"].measured.held_to_the_end, by["path.buffering"].measured.events);
    assert.match(by["path.buffering"].remedies[0].lines.join("\n"), /proxy_buffering off;/);
    const others = by["path.buffering"].remedies.map(({ proxy }) => proxy);
    assert.deepEqual(others, ["nginx", "Caddy", "HAProxy", "Traefik", "Cloudflare", "AWS"]);
  });

  test("names a read timeout of 10 s, and that polls are cut by it", async () => {
    const { faults, by, text } = await doctor(proxies.nginx.urls.impatient);
    assert.deepEqual(faults.sort(), ["path.polls", "path.silence"], text);
    isAbout(by["path.silence"].measured.cut_after_ms, 10);
    isAbout(by["path.polls"].measured.took_ms, 10);
    assert.equal(by["path.age"].verdict, "good", "keep-alives come before");
    assert.match(by["path.silence"].remedies[0].lines[0], /^proxy_read_timeout /);
  });

  test("names compression behind an nginx with gzip on", async () => {
    const { faults, by, text } = await doctor(proxies.nginx.urls.gzip);
    assert.deepEqual(faults, ["path.compression"], text);
    assert.equal(by["path.compression"].measured.encoding, "gzip");
    assert.equal(by["path.compression"].remedies[0].lines[0], "gzip off;");
  });

  test("names a Last-Event-ID that does not get through", async () => {
    const { faults, by, text } = await doctor(proxies.nginx.urls.forgetful, { idle: 5 });
    assert.deepEqual(faults, ["path.resume"], text);
    assert.match(by["path.resume"].text, /Last-Event-ID does not reach the server/);
  });

  test("names an Authorization that does not get through, and looks at the rest by the server's own address", async () => {
    const variables = { TAILWATER_API_KEY: key };
    const options = ["--server", closed.url];
    const { faults, by, text } = await doctor(proxies.closed.urls.keyless, { idle: 5, options, variables });
    assert.deepEqual(faults, ["path.key"], text);
    assert.match(by["path.key"].text, /Authorization does not reach the server/);
    assert.equal(by["path.buffering"].verdict, "good", "by the ticket of the job");
  });

  test("finds no fault where the key gets through, and says where none is set", async () => {
    const url = proxies.closed.urls.plain;
    const good = await doctor(url, { idle: 5, variables: { TAILWATER_API_KEY: key } });
    assert.deepEqual(good.faults, [], good.text);
    assert.equal(good.by["path.key"].verdict, "good");
    const without = await doctor(url, { idle: 5 });
    assert.deepEqual(without.faults, ["path.key"], without.text);
    assert.match(without.by["path.key"].text, /TAILWATER_API_KEY/);
  });

  test("names a way that cuts streams by their age", async () => {
    const wire = await Wire.to(server.url, { lifeMs: LIFE_MS });
    const { faults, by, text } = await doctor(wire.url);
    wire.close();
    assert.deepEqual(faults.sort(), ["path.age", "path.polls"], text);
    isAbout(by["path.age"].measured.cut_after_ms, LIFE_MS / 1_000);
    assert.equal(by["path.silence"].verdict, "not_checked");
  });

  test("tells a proxy without a server, and nobody at all, from a server", async () => {
    const gone = await Server.start();
    const nginx = await Nginx.start({ url: gone.url, pages: "/nowhere" });
    await gone.stop();
    const behind = await doctor(nginx.urls.plain, { idle: 5 });
    await nginx.stop();
    assert.deepEqual(behind.faults, ["path.reach"], behind.text);
    assert.match(behind.by["path.reach"].text, /nginx does not reach the server \(status 502\)/);
    const nobody = await doctor(gone.url, { idle: 5 });
    assert.deepEqual(nobody.faults, ["path.reach"], nobody.text);
    assert.match(nobody.by["path.reach"].text, /nobody answers/);
  });

  test("writes lines for people, and none of it into a terminal's controls", async () => {
    const { code, stdout, stderr } = await run(["--url", proxies.nginx.urls.impatient, "--idle", "15"]);
    assert.equal(code, 1, stdout + stderr);
    assert.match(stdout, /^✓ path reach +the server answers at .*, by way of nginx$/m);
    assert.match(stdout, /^✗ path silence +what is silent for 10 s is cut/m);
    assert.match(stdout, /^ +nginx +proxy_read_timeout 1h;$/m);
    assert.match(stdout, /\n2 faults, [^\n]*\n$/);
    assert.ok(!stdout.includes("\u001b"), "no colours where nobody sees them");
    assert.match(stderr, /pushing events/, "what it is at");
  });

  test("refuses what it can do nothing with, in a sentence", async () => {
    for (const [options, words] of [
      [["--url", "your.domain"], /'your\.domain' is not the address of a server \(--url\)/],
      [["--url", "ftp://your.domain"], /not the address/],
      [["--server", "x"], /--server/],
      [["--url", server.url, "--idle", "4"], /from 5 to 585/],
      [["--idle", "30"], /--url/],
      [["--listen", "nowhere"], /listen/],
      [["--config", "/nowhere/x.toml"], /x\.toml/],
    ]) {
      const { code, stdout, stderr } = await run(options);
      assert.equal(code, 2, stdout + stderr);
      assert.match(stderr, words);
    }
  });
});
