// A real nginx in front of the server: one process, and for each way in which a proxy treats a
// stream a port of its own.
//
// | name | what it does |
// | --- | --- |
// | `plain` | passes on; lets streams through because the server says `X-Accel-Buffering: no` |
// | `buffering` | is told not to listen to that, and holds a stream back until it ends |
// | `impatient` | cuts what says nothing for 10 s |
// | `gzip` | compresses streams too |
// | `forgetful` | does not pass on `Last-Event-ID` |
// | `keyless` | does not pass on `Authorization` |
// | `storm` | lets five requests a second through, and answers the others with 429 and `Retry-After` |
// | `storm-bare` | the same without `Retry-After` |
//
// Cutting every connection after a fixed time is not among them, since nginx cannot: all its limits
// are of silence (`proxy_read_timeout`, `send_timeout`) or count requests (`keepalive_time`), and a
// reload with `worker_shutdown_timeout` cuts all connections together instead of each at its age.
// `Wire.to(url, { lifeMs })` in front of `plain` does that.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian keeps it where not everybody's path leads. */
const PATH = `${process.env.PATH}:/usr/sbin`;
/** How long it may take to answer for the first time, in tries of 20 ms. */
const TRIES = 500;

/**
 * Tickets are not checked by the server yet, and sessions are an application's own affair: nginx
 * stands in for both. An expired ticket opens nothing; whoever is signed out may see nothing.
 */
const REFUSALS = `
    if ($arg_ticket = expired) { return 401 '{"status": 401, "code": "expired_ticket", "detail": "the ticket has expired"}'; }
    if ($cookie_session = over) { return 401 '{"status": 401, "code": "signed_out", "detail": "you are signed out"}'; }`;

const WAYS = {
  plain: "",
  // HTTP/1.0 to the server is nginx's default, and what holds a stream back for good: its end is that
  // of the connection, and nginx waits for a full buffer. (By HTTP/1.1 it passes on what fills 1,460
  // bytes.) Each buffer has room for a whole stream of these tests.
  buffering: `
    proxy_buffering on;
    proxy_http_version 1.0;
    proxy_set_header Connection close;
    proxy_set_header Host $http_host;
    proxy_ignore_headers X-Accel-Buffering;
    proxy_buffer_size 1m;
    proxy_buffers 8 1m;`,
  impatient: "proxy_read_timeout 10s;",
  gzip: `
    gzip on;
    gzip_types text/event-stream application/json;
    gzip_proxied any;`,
  forgetful: `
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header Last-Event-ID "";`,
  keyless: `
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header Authorization "";`,
  "storm": `
    limit_req zone=storm burst=1 nodelay;
    limit_req_status 429;
    error_page 429 @later;`,
  "storm-bare": `
    limit_req zone=storm_bare burst=1 nodelay;
    limit_req_status 429;`,
};

const serverBlock = (port, way, pages) => `
  server {
    listen 127.0.0.1:${port};
    location /test/ { alias ${pages}/; }
    location / { proxy_pass http://tailwater; }
    location /api/ {
      default_type application/problem+json;
      ${REFUSALS}
      ${way}
      proxy_pass http://tailwater;
    }
    location @later {
      default_type application/problem+json;
      add_header Retry-After 1 always;
      return 429 '{"status": 429, "code": "rate_limited", "detail": "too many requests"}';
    }
  }`;

const configuration = ({ upstream, ports, statusPort, pages }) => `
daemon off;
${process.getuid() === 0 ? "user root;" : ""}
worker_processes 1;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  types { text/html html; text/javascript js; text/css css; }
  limit_req_zone $server_port zone=storm:1m rate=5r/s;
  limit_req_zone $server_port zone=storm_bare:1m rate=5r/s;
  limit_req_log_level info;
  upstream tailwater { server ${upstream}; keepalive 32; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  server {
    listen 127.0.0.1:${statusPort};
    location / { stub_status; }
  }
${Object.entries(ports).map(([name, port]) => serverBlock(port, WAYS[name], pages)).join("\n")}
}
`;

/** nginx, in a folder of its own. */
export class Nginx {
  #process;
  #folder;
  #statusUrl;
  /** Where each way is found. */
  urls = {};

  /** Starts in front of a server; serves a folder with pages of the tests' own at `/test/`. */
  static async start({ url, pages }) {
    const nginx = new Nginx();
    nginx.#folder = await mkdtemp(join(tmpdir(), "tailwater-nginx-"));
    const names = Object.keys(WAYS);
    const [statusPort, ...free] = await freePorts(names.length + 1);
    const ports = Object.fromEntries(names.map((name, index) => [name, free[index]]));
    nginx.urls = Object.fromEntries(names.map((name) => [name, `http://127.0.0.1:${ports[name]}`]));
    nginx.#statusUrl = `http://127.0.0.1:${statusPort}/`;
    const text = configuration({ upstream: new URL(url).host, ports, statusPort, pages });
    await writeFile(join(nginx.#folder, "nginx.conf"), text);
    await nginx.#run();
    return nginx;
  }

  async #run() {
    const options = ["-p", this.#folder, "-c", "nginx.conf", "-e", "stderr"];
    const child = spawn("nginx", options, { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, PATH } });
    this.#process = child;
    let said = "";
    child.stderr.on("data", (bytes) => { said = (said + bytes).slice(-4_000); });
    const ended = new Promise((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`nginx exited with ${code}: ${said}`)));
    });
    // Ending is its business from here on.
    ended.catch(() => undefined);
    await Promise.race([ended, this.#answers()]);
  }

  async #answers() {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const answer = await fetch(this.#statusUrl).catch(() => null);
      if (answer?.ok) return;
      // There is no word by which nginx says that it listens.
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
    throw new Error("nginx does not answer");
  }

  /** How many answers are under way right now, besides the one to this question. */
  async answering() {
    const status = await (await fetch(this.#statusUrl)).text();
    return Number(/Writing: (\d+)/.exec(status)[1]) - 1;
  }

  async stop() {
    const child = this.#process;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Ports that nobody listens on; all are held until the last one is known, so that they differ. */
export async function freePorts(count) {
  const holders = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(holders.map((holder) => once(holder, "listening")));
  const ports = holders.map((holder) => holder.address().port);
  await Promise.all(holders.map((holder) => new Promise((resolve) => { holder.close(resolve); })));
  return ports;
}
