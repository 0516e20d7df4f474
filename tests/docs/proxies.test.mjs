// The lines of `docs/guides/proxy.md`, as they stand there but for addresses, in front of a server: streams come
// through event by event, whoever asks for compression, and silence cuts nothing.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { read } from "./markdown.mjs";
import { binary, freePort, PATH, Program, run, Server } from "./support.mjs";

const { blocks } = read("docs/guides/proxy.md");
const textOf = (file) => blocks.find(({ directives }) => directives.file === file).text;

const HOST = "jobs.example.com";

let server;
before(async () => {
  const options = ["--trusted-proxies", "127.0.0.1", "--public-url", `http://${HOST}`, "--keep-alive", "500ms",
    "--limit-loopback", "on", "--connections-per-address", "0", "--streams-per-address", "1"];
  server = await Server.start({ options });
});
after(() => server?.stop());

/** Each program with the lines of the guide, and the addresses of this test. */
const PROXIES = {
  nginx: async (folder, port, to) => {
    const lines = textOf("nginx.conf").replace("listen 80;", `listen 127.0.0.1:${port};`)
      .replace("127.0.0.1:8080", new URL(to.url).host).replace("/var/log/nginx/tailwater.log", "access.log");
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${name};`).join(" ");
    await writeFile(join(folder, "nginx.conf"), `daemon off; ${process.getuid() === 0 ? "user root;" : ""} pid nginx.pid; error_log stderr; events {}
http { ${temporary} gzip on;\n${lines}\n}`);
    return new Program("nginx", ["-p", folder, "-c", "nginx.conf", "-e", "stderr"], { env: { ...process.env, PATH } });
  },
  caddy: async (folder, port, to, site) => {
    const lines = textOf("Caddyfile").replace(HOST, `http://${site}:${port}`).replace("127.0.0.1:8080", new URL(to.url).host);
    await writeFile(join(folder, "Caddyfile"), `{\n\tadmin off\n}\n${lines}`);
    return new Program("caddy", ["run", "--config", "Caddyfile"], { cwd: folder, env: { ...process.env, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder } });
  },
  haproxy: async (folder, port, to) => {
    const lines = textOf("haproxy.cfg").replace("bind :80", `bind 127.0.0.1:${port}`).replace("127.0.0.1:8080", new URL(to.url).host);
    await writeFile(join(folder, "haproxy.cfg"), lines);
    return new Program("haproxy", ["-db", "-f", "haproxy.cfg"], { cwd: folder, env: { ...process.env, PATH } });
  },
};

/** A request through the proxy, by the name that it serves; gives status, headers, and the body piece by piece. */
function ask(port, path, { method = "GET", headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, path, method, headers: { host: HOST, ...headers } }, (response) => {
      response.setEncoding("utf8");
      resolve(response);
    });
    request.once("error", reject);
    if (body === undefined || typeof body === "string") request.end(body);
    else body(request);
  });
}

async function whole(response) {
  let text = "";
  for await (const piece of response) text += piece;
  return text;
}

/** Waits for a word in a response that goes on. */
function reader(response) {
  let text = "";
  let wake = () => undefined;
  response.on("data", (piece) => { text += piece; wake(); });
  response.on("close", () => wake());
  return async (word) => {
    while (!text.includes(word)) {
      assert.ok(!response.closed, `it ended before ${word}: ${text}`);
      await new Promise((resolve) => { wake = resolve; });
    }
    return text;
  };
}

/**
 * A stream and what waits for its words. The one before may not be over at the server yet: a proxy may find out
 * that a reader has left by the next keep-alive.
 */
async function follow(port, path, headers = {}) {
  for (let tries = 0; ; tries += 1) {
    const stream = await ask(port, path, { headers });
    const until = reader(stream);
    const opened = await until("event: ");
    if (!opened.includes("too_many_streams")) return { stream, until };
    assert.ok(tries < 100, "the stream before does not end");
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

/** Waits until a proxy passes requests on. */
async function answers(proxy, port, host) {
  for (let tries = 0; ; tries += 1) {
    const up = await ask(port, "/readyz", { headers: { host } }).then(({ statusCode }) => statusCode === 200, () => false);
    if (up) return;
    assert.ok(tries < 500, `it does not answer: ${proxy.said}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

for (const [name, begin] of Object.entries(PROXIES)) {
  test(name, async (context) => {
    const folder = await mkdtemp(join(tmpdir(), "tailwater-proxy-"));
    const port = await freePort();
    const proxy = await begin(folder, port, server, HOST);
    try {
      await answers(proxy, port, HOST);
      const json = { "content-type": "application/json" };
      const submit = async () => JSON.parse(await whole(await ask(port, "/api/jobs", { method: "POST", headers: json, body: '{"kind": "external"}' })));
      const { job_id: job, stream_url: url } = await submit();
      assert.equal(new URL(url).host, HOST);
      const path = new URL(url).pathname;

      await context.test("each event comes through before the next is made, uncompressed", async () => {
        const { stream, until } = await follow(port, path, { "accept-encoding": "gzip, br, zstd" });
        assert.equal(stream.headers["content-encoding"], undefined);
        assert.match(stream.headers["content-type"], /^text\/event-stream/);
        await until("event: hello");
        for (const note of ["first", "second", "third"]) {
          const pushed = await ask(port, `/api/jobs/${job}/events`, { method: "POST", headers: json, body: JSON.stringify({ type: "note", data: { note } }) });
          assert.equal(pushed.statusCode, 200, await whole(pushed));
          await until(note);
        }
        await until(": keep-alive\n\n: keep-alive");
        stream.destroy();
      });

      await context.test("a worker's lines come through while its request is open", async () => {
        const { job_id: other } = await submit();
        const { until } = await follow(port, `/api/jobs/${other}/stream`);
        let push;
        const answered = ask(port, `/api/jobs/${other}/events`, { method: "POST", body: (request) => { push = request; } });
        for (const line of ["one", "two"]) {
          push.write(`{"type": "line", "data": "${line}"}\n`);
          await until(line);
        }
        push.end('{"type": "completed", "data": {}}\n');
        assert.equal((await answered).statusCode, 200);
        await until("event: completed");
        const end = /id: (\d+)\nevent: completed/.exec(await until("completed"))[1];
        const again = await ask(port, `/api/jobs/${other}/stream`, { headers: { "last-event-id": end } });
        assert.equal(again.statusCode, 204, "the cursor does not come through");
      });

      await context.test("readers are told from each other, and by nobody but the proxy", async () => {
        // All of this test's connections are one address, which may have one stream; what it says of itself is nothing.
        const { stream: first } = await follow(port, path, { "x-forwarded-for": "203.0.113.1" });
        const second = await ask(port, path, { headers: { "x-forwarded-for": "203.0.113.2" } });
        assert.match(await whole(second), /too_many_streams/);
        first.destroy();
      });
    } finally {
      await proxy.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
}

test("the doctor finds nothing to mend in any of them", async (context) => {
  const plain = await Server.start({ options: ["--trusted-proxies", "127.0.0.1"] });
  try {
    for (const [name, begin] of Object.entries(PROXIES)) {
      await context.test(name, async () => {
        const folder = await mkdtemp(join(tmpdir(), "tailwater-proxy-"));
        const port = await freePort();
        const proxy = await begin(folder, port, plain, "127.0.0.1");
        try {
          await answers(proxy, port, `127.0.0.1:${port}`);
          const args = ["doctor", "--url", `http://127.0.0.1:${port}`, "--server", plain.url, "--idle", "6", "--json"];
          const { stdout, stderr } = await run(binary(), args, { env: { ...process.env, TAILWATER_DATA: plain.data } });
          const path = JSON.parse(stdout || "null")?.findings?.filter(({ check }) => check.startsWith("path."));
          assert.ok(path?.length > 5, stderr + stdout);
          assert.deepEqual(path.filter(({ verdict }) => verdict === "fault" || verdict === "warning"), []);
        } finally {
          await proxy.stop();
          await rm(folder, { recursive: true, force: true });
        }
      });
    }
  } finally {
    await plain.stop();
  }
});
