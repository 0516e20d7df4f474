// A product's backend: its own page and its own route, which submits a job to Tailwater and hands the
// browser the address to watch it at. Tailwater's key stays here. Node 20 or newer, no packages.
//
//   node server.mjs

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const TAILWATER = process.env.TAILWATER_SERVER ?? "http://localhost:8080";
/** Where browsers reach it, if that is not where this backend does. */
const PUBLIC = process.env.TAILWATER_PUBLIC_URL ?? TAILWATER;
const PORT = Number(process.env.PORT ?? 3000);

const page = await readFile(new URL("page.html", import.meta.url));

/** Submits a job; gives what the browser needs to watch it. */
async function generate({ topic }) {
  const response = await fetch(`${TAILWATER}/api/jobs`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      // A server without keys asks for none.
      ...(process.env.TAILWATER_API_KEY && { authorization: `Bearer ${process.env.TAILWATER_API_KEY}` }),
    },
    body: JSON.stringify({ kind: "blog", input: { topic, words: 120 } }),
  });
  const answer = await response.json();
  if (!response.ok) return { status: response.status, body: { error: answer.detail } };
  // With a key there is a ticket in it, which opens this one job, for reading, and nothing else.
  return { status: 202, body: { job_id: answer.job_id, stream_url: new URL(answer.stream_url, PUBLIC) } };
}

async function bodyOf(request) {
  let text = "";
  for await (const piece of request.setEncoding("utf8")) {
    text += piece;
    if (text.length > 10_000) throw new Error("too long");
  }
  return JSON.parse(text);
}

const server = createServer(async (request, response) => {
  try {
    if (request.method === "POST" && request.url === "/generate") {
      // Here you would look who asks, and what they may.
      const { status, body } = await generate(await bodyOf(request));
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    } else if (request.method === "GET" && request.url === "/") {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page);
    } else {
      response.writeHead(404).end();
    }
  } catch (error) {
    console.error(error);
    response.writeHead(502, { "content-type": "application/json" }).end('{"error": "it did not work; try again"}');
  }
});
server.listen(PORT, () => console.log(`open http://localhost:${server.address().port}`));
