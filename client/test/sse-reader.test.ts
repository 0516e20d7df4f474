// Streams as they come over real connections, and answers that are none.

import { expect, test } from "vitest";

import { TailwaterError } from "../src/errors.ts";
import type { Fetch } from "../src/http.ts";
import { openStream, type EventStream } from "../src/sse/reader.ts";
import { NOBODY, rejection, serve } from "./serving.ts";

const real: Fetch = (input, init) => fetch(input, init);
const STREAM = { "content-type": "text/event-stream" };

async function opened(url: string, signal?: AbortSignal): Promise<EventStream> {
  const stream = await openStream(real, url, { signal });
  if (stream === null) throw new Error("the stream is over");
  return stream;
}

async function dataUpTo(stream: EventStream, last: string): Promise<string[]> {
  const data: string[] = [];
  for (let items = await stream.read(); items !== null; items = await stream.read()) {
    data.push(...items.flatMap((item) => (item.kind === "event" ? [item.data] : [])));
    if (data.at(-1) === last) break;
  }
  return data;
}

test("events_come_while_the_response_is_open_and_null_at_its_end", async () => {
  let finish = (): void => undefined;
  const url = await serve((_, response) => {
    response.writeHead(200, STREAM).write("data: a\n\ndata: b\r\r");
    finish = () => response.end("data: half");
  });
  const stream = await opened(url);
  expect(await dataUpTo(stream, "b")).toEqual(["a", "b"]);
  finish();
  expect(await dataUpTo(stream, "half")).toEqual([]);
  expect(await stream.read()).toBeNull();
});

test("a_request_says_what_it_takes_and_nothing_that_needs_a_preflight", async () => {
  let headers: Readonly<Record<string, unknown>> = {};
  let address: string | undefined;
  const url = await serve((request, response) => {
    ({ headers, url: address } = request);
    response.writeHead(204).end();
  });
  expect(await openStream(real, `${url}/stream?after=7`)).toBeNull();
  expect(address).toBe("/stream?after=7");
  expect(headers.accept).toBe("text/event-stream");
  expect(headers["last-event-id"]).toBeUndefined();
});

test.each(["text/event-stream; charset=utf-8", "Text/Event-Stream;charset=latin1", "text/event-stream ; a=b"])(
  "the_type_%s_is_a_stream_in_utf_8",
  async (type) => {
    const url = await serve((_, response) => response.writeHead(200, { "content-type": type }).end("data: é\n\n"));
    expect(await dataUpTo(await opened(url), "é")).toEqual(["é"]);
  },
);

test.each(["text/html", "text/event-streams", "application/json; x=text/event-stream"])(
  "the_type_%s_is_no_stream",
  async (type) => {
    const url = await serve((_, response) => response.writeHead(200, { "content-type": type }).end("data: a\n\n"));
    expect(await rejection(openStream(real, url))).toMatchObject({ code: "unreadable", status: 200 });
  },
);

test("redirects_are_followed", async () => {
  const url = await serve((request, response) => {
    if (request.url === "/") response.writeHead(307, { location: "/stream" }).end();
    else response.writeHead(200, STREAM).end("data: there\n\n");
  });
  expect(await dataUpTo(await opened(`${url}/`), "there")).toEqual(["there"]);
});

test("a_refusal_tells_its_status_its_hint_and_the_servers_code", async () => {
  const url = await serve((_, response) => {
    const problem = { code: "unknown_job", detail: "there is no job 'x'", retryable: false };
    response.writeHead(404, { "content-type": "application/problem+json", "retry-after": "2" });
    response.end(JSON.stringify(problem));
  });
  const error = await rejection(openStream(real, url));
  expect(error).toBeInstanceOf(TailwaterError);
  expect(error).toMatchObject({ code: "unknown_job", status: 404, retryAfterMs: 2_000, retryable: false });
});

test("a_success_other_than_200_is_no_stream", async () => {
  const url = await serve((_, response) => response.writeHead(202, STREAM).end("data: a\n\n"));
  expect(await rejection(openStream(real, url))).toMatchObject({ code: "refused", status: 202 });
});

test("nobody_there_is_unreachable", async () => {
  expect(await rejection(openStream(real, NOBODY))).toMatchObject({ code: "unreachable", retryable: true });
});

test("a_connection_that_is_cut_is_unreachable", async () => {
  let cut = (): void => undefined;
  const url = await serve((_, response) => {
    response.writeHead(200, STREAM).write("data: a\n\n");
    cut = () => response.destroy();
  });
  const stream = await opened(url);
  expect(await dataUpTo(stream, "a")).toEqual(["a"]);
  cut();
  const error = await rejection(stream.read());
  expect(error).toMatchObject({ code: "unreachable", detail: expect.stringContaining("the connection broke") });
});

test("the_callers_signal_ends_a_read_that_waits", async () => {
  const controller = new AbortController();
  const url = await serve((_, response) => response.writeHead(200, STREAM).write(": here\n"));
  const stream = await opened(url, controller.signal);
  expect(await stream.read()).toEqual([{ kind: "comment", text: "here" }]);
  const waiting = rejection(stream.read());
  controller.abort();
  expect(await waiting).toMatchObject({ code: "aborted" });
});

test("cancel_gives_a_read_that_waits_its_end_and_closes_the_connection", async () => {
  let closed: Promise<void> = Promise.resolve();
  const url = await serve((_, response) => {
    closed = new Promise((resolve) => response.on("close", () => resolve()));
    response.writeHead(200, STREAM).write(": here\n");
  });
  const stream = await opened(url);
  await stream.read();
  const waiting = stream.read();
  stream.cancel();
  stream.cancel();
  expect(await waiting).toBeNull();
  await closed;
});

test("an_event_that_is_too_large_is_told_without_waiting_for_more_bytes", async () => {
  const url = await serve((_, response) => response.writeHead(200, STREAM).write("data: a\n\ndata: 0123456789"));
  const stream = await openStream(real, url, { limit: 12 });
  expect(await stream?.read()).toHaveLength(1);
  expect(await rejection(stream?.read() ?? Promise.resolve())).toMatchObject({ code: "unreadable" });
});

test("a_runtime_without_streams_of_bytes_says_so", async () => {
  const bodiless: Fetch = async () => Object.defineProperty(new Response("", { headers: STREAM }), "body", { value: undefined });
  expect(await rejection(openStream(bodiless, "/"))).toMatchObject({ code: "unreadable", status: 200 });
});
