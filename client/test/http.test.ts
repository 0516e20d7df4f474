// Requests and answers: addresses, the token, and everything that may come back in place of JSON.

import { expect, test } from "vitest";

import { TailwaterError } from "../src/errors.ts";
import { Connection, type Fetch } from "../src/http.ts";
import { bodyOf, NOBODY, rejection, serve } from "./serving.ts";

const nobody: Fetch = () => Promise.reject(new TypeError("fetch failed"));

test("addresses_keep_a_prefix_a_ticket_and_whole_links", () => {
  const connection = new Connection({ baseUrl: "https://example.com/tail/" });
  expect(connection.url("/api/jobs")).toBe("https://example.com/tail/api/jobs");
  expect(connection.url("/api/jobs/j/stream?ticket=a%2Bb&after=1", { after: 7, wait: undefined })).toBe(
    "https://example.com/tail/api/jobs/j/stream?ticket=a%2Bb&after=7",
  );
  expect(connection.url("https://other.example/x?a=1#part", { after: 2 })).toBe("https://other.example/x?a=1&after=2");
  expect(new Connection({ fetch: nobody }).url("/api/jobs")).toBe("/api/jobs");
});

test("the_token_goes_to_its_own_server_only", () => {
  const connection = new Connection({ baseUrl: "https://example.com/tail", token: "secret" });
  expect(connection.headersFor(connection.url("/api/jobs"))).toEqual({ authorization: "Bearer secret" });
  expect(connection.headersFor("https://example.com.evil.example/api")).toEqual({});
  const page = new Connection({ token: "secret", fetch: nobody });
  expect(page.headersFor("/api/jobs")).toEqual({ authorization: "Bearer secret" });
  expect(page.headersFor("https://other.example/api")).toEqual({});
});

test.each(["", "a b", "a\nb", "é"])("the_token_%j_is_refused_without_being_shown", (token) => {
  expect(() => new Connection({ fetch: nobody, token })).toThrow("the token must be visible ASCII characters");
});

test.each(["example.com", "ftp://example.com", "https://user:secret@example.com", "https://example.com?a=1", "https://example.com/#a", "https://", "/prefix"])(
  "the_base_%s_is_refused_without_being_shown",
  (baseUrl) => expect(() => new Connection({ baseUrl })).toThrow(/^the baseUrl must be like https:\/\/jobs/),
);

test("a_base_that_is_no_address_is_refused_at_once", () => {
  expect(() => new Connection({ baseUrl: "https://host:port" })).toThrow(TypeError);
});

test("outside_of_a_page_the_server_must_be_named", () => {
  expect(() => new Connection()).toThrow("a baseUrl is needed");
});

test("json_goes_there_and_comes_back", async () => {
  const baseUrl = await serve(async (request, response) => {
    const body = (await bodyOf(request)).toString();
    const { method, url, headers } = request;
    response.writeHead(200, { "content-type": "application/json", etag: '"7"', "retry-after": "3" });
    response.end(JSON.stringify({ method, url, body, type: headers["content-type"], token: headers.authorization }));
  });
  const connection = new Connection({ baseUrl, token: "t" });
  const answer = await connection.call("/api/x", { method: "POST", json: { a: 1 }, query: { b: true } });
  expect(answer).toEqual({
    status: 200,
    etag: '"7"',
    retryAfterMs: 3_000,
    body: { method: "POST", url: "/api/x?b=true", body: '{"a":1}', type: "application/json", token: "Bearer t" },
  });
});

test("an_unchanged_answer_has_no_body", async () => {
  const baseUrl = await serve((_, response) => response.writeHead(304, { etag: '"7"' }).end());
  const connection = new Connection({ baseUrl });
  expect(await connection.call("/")).toMatchObject({ status: 304, body: null, etag: '"7"' });
  expect(await rejection(connection.json("/"))).toMatchObject({ code: "unreadable", status: 304 });
});

test("a_problem_keeps_everything_that_it_says", async () => {
  const problem = {
    type: "/problems/invalid_field",
    title: "The body has missing or wrong fields",
    status: 400,
    code: "invalid_field",
    detail: "the job cannot be taken as it is",
    retryable: false,
    errors: [{ pointer: "/input/topic", detail: "must be a text" }, { pointer: "", detail: "has more" }, { pointer: 7 }],
    did_you_mean: "words",
  };
  const baseUrl = await serve((_, response) => response.writeHead(400).end(JSON.stringify(problem)));
  const error = await rejection(new Connection({ baseUrl }).call("/"));
  expect(error).toBeInstanceOf(TailwaterError);
  expect(error).toMatchObject({
    name: "TailwaterError",
    message: "the job cannot be taken as it is; /input/topic must be a text; the body has more",
    code: "invalid_field",
    detail: "the job cannot be taken as it is",
    status: 400,
    errors: problem.errors.slice(0, 2),
    retryAfterMs: null,
    retryable: false,
    problem,
    body: "",
  });
});

test.each([
  [502, "<html><h1>Bad Gateway</h1></html>", true],
  [403, "[1]", false],
  [503, "", true],
  [404, "null", false],
])("a_refusal_%i_that_is_no_problem_survives", async (status, body, retryable) => {
  const baseUrl = await serve((_, response) => response.writeHead(status, "Said So", { "retry-after": "1" }).end(body));
  expect(await rejection(new Connection({ baseUrl }).call("/"))).toMatchObject({
    code: "refused",
    detail: `the server answered ${status} Said So`,
    status,
    retryAfterMs: 1_000,
    retryable,
    problem: null,
    body,
  });
});

test("a_page_in_place_of_json_is_unreadable", async () => {
  const baseUrl = await serve((_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<p>"));
  expect(await rejection(new Connection({ baseUrl }).call("/"))).toMatchObject({
    code: "unreadable",
    detail: "the answer is not JSON but text/html",
    body: "<p>",
  });
});

test("an_error_tells_why_and_never_the_token", async () => {
  const connection = new Connection({ baseUrl: NOBODY, token: "secret-token" });
  const error = await rejection(connection.call("/api/jobs", { method: "POST", json: {} }));
  expect(error).toMatchObject({ code: "unreachable", status: null, retryable: true });
  expect(String(error)).toContain("ECONNREFUSED");
  expect(JSON.stringify(error) + String(error)).not.toContain("secret-token");
});

test("the_callers_signal_is_told_apart_from_the_network", async () => {
  const error = await rejection(new Connection({ baseUrl: NOBODY }).call("/", { signal: AbortSignal.abort("no") }));
  expect(error).toMatchObject({ code: "aborted", cause: "no" });
});

test("a_fetch_is_called_as_a_function_and_looked_up_late", async () => {
  const before = globalThis.fetch;
  const connection = new Connection({ baseUrl: NOBODY });
  let self: unknown = "not called";
  globalThis.fetch = async function fetchAsAPageWrapsIt(this: unknown) {
    self = this;
    return new Response("{}");
  };
  await connection.call("/").finally(() => (globalThis.fetch = before));
  expect(self === undefined || self === globalThis).toBe(true);
});
