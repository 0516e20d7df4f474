// The calls of a client, as a server sees them.

import type { IncomingHttpHeaders } from "node:http";

import { expect, onTestFinished, test, vi } from "vitest";

import { Tailwater } from "../src/client.ts";
import type { Fetch } from "../src/http.ts";
import { submitJob } from "../src/submit.ts";
import { bodyOf, rejection, serve } from "./serving.ts";

interface Seen {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A client of a server that answers all with the same, and what that server saw. */
async function talking(answer: unknown = {}): Promise<{ client: Tailwater; seen: Seen[] }> {
  const seen: Seen[] = [];
  const baseUrl = await serve(async (request, response) => {
    const body = (await bodyOf(request)).toString();
    seen.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
    response.writeHead(200, { "content-type": "application/json", etag: '"7-running"' }).end(JSON.stringify(answer));
  });
  return { client: new Tailwater({ baseUrl, token: "t" }), seen };
}

test("each_call_has_its_route", async () => {
  const { client, seen } = await talking({ models: [] });
  await client.submit({ kind: "blog", input: { topic: "rain" } });
  await client.get("job/1");
  await client.list({ status: "running", limit: 5 });
  await client.cancel("job_1", "enough");
  await client.cancel("job_1");
  await client.events("job_1", { after: 7, limit: 2, wait: 20 });
  await client.file("file_1");
  await client.project("p 1");
  await client.models({ kind: "video" });
  await client.model("ltx2/text-to-video?fast");
  await client.credits();
  await client.ledger({ before: 3 });
  await client.info();
  expect(seen.map(({ line, body }) => `${line} ${body}`.trim())).toEqual([
    'POST /api/jobs {"kind":"blog","input":{"topic":"rain"}}',
    "GET /api/jobs/job%2F1",
    "GET /api/jobs?status=running&limit=5",
    'POST /api/jobs/job_1/cancel {"reason":"enough"}',
    "POST /api/jobs/job_1/cancel {}",
    "GET /api/jobs/job_1/events?after=7&limit=2&wait=20",
    "GET /api/file/file_1",
    "GET /api/project/p%201",
    "GET /api/models?kind=video",
    "GET /api/models/ltx2/text-to-video%3Ffast",
    "GET /api/credits",
    "GET /api/credits/ledger?before=3",
    "GET /api/info",
  ]);
  expect(seen.every(({ headers }) => headers.authorization === "Bearer t")).toBe(true);
});

test("a_file_goes_up_as_its_bytes_with_its_name", async () => {
  const { client, seen } = await talking();
  await client.upload(new File(["abc"], "a b.png", { type: "text/html" }), { project: "p1" });
  await client.upload(new Blob(["abc"]));
  await client.upload(new TextEncoder().encode("abc"), { name: "c.png" });
  await client.upload(new TextEncoder().encode("abc").buffer);
  expect(seen.map(({ line }) => line)).toEqual([
    "POST /api/uploads?name=a+b.png&project_id=p1",
    "POST /api/uploads",
    "POST /api/uploads?name=c.png",
    "POST /api/uploads",
  ]);
  expect(new Set(seen.map(({ body, headers }) => `${headers["content-type"]} ${body}`))).toEqual(
    new Set(["application/octet-stream abc"]),
  );
});

test("a_job_comes_with_its_tag_and_null_says_that_nothing_happened", async () => {
  const { client } = await talking({ id: "job_1" });
  const job = await client.get("job_1");
  expect(job).toEqual({ id: "job_1", etag: '"7-running"' });
  let asked: string | undefined;
  const baseUrl = await serve((request, response) => {
    asked = request.headers["if-none-match"];
    response.writeHead(304).end();
  });
  const unchanged = new Tailwater({ baseUrl });
  expect(await unchanged.get("job_1", { etag: '"7-running"' })).toBeNull();
  expect(asked).toBe('"7-running"');
  expect(await rejection(unchanged.get("job_1"))).toMatchObject({ code: "unreadable" });
});

test("a_signal_ends_a_call_that_waits", async () => {
  const controller = new AbortController();
  const baseUrl = await serve(() => controller.abort());
  const client = new Tailwater({ baseUrl });
  expect(await rejection(client.get("job_1", { signal: controller.signal }))).toMatchObject({ code: "aborted" });
});

/** A client whose submits are answered one after the other, on time that only moves when told. */
function submitting(...answers: readonly (() => Response)[]): { client: Tailwater; keys: (string | null)[] } {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const keys: (string | null)[] = [];
  const fetch: Fetch = async (_, init) => {
    keys.push(new Headers(init?.headers).get("idempotency-key"));
    const answer = answers[keys.length - 1];
    if (answer === undefined) throw new TypeError("asked too often");
    return answer();
  };
  return { client: new Tailwater({ fetch }), keys };
}

const lost = (): Response => {
  throw new TypeError("fetch failed");
};
const refused = (status: number, retryAfter?: string) => () =>
  new Response("{}", { status, headers: retryAfter === undefined ? {} : { "retry-after": retryAfter } });
const taken = () => Response.json({ job_id: "job_1" }, { status: 202 });
const BLOG = { kind: "blog", input: { topic: "rain" } } as const;

test("a_submit_whose_answer_is_lost_is_sent_again_with_the_same_key", async () => {
  const { client, keys } = submitting(lost, refused(502), taken);
  const answer = client.submit(BLOG);
  await vi.runAllTimersAsync();
  expect(await answer).toEqual({ job_id: "job_1" });
  expect(keys).toHaveLength(3);
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toMatch(/^\d+-\d+-\d+-\d+$/);
});

test("two_submits_have_keys_of_their_own_and_a_given_key_is_kept", async () => {
  const { client, keys } = submitting(taken, taken, taken);
  await client.submit(BLOG);
  await client.submit(BLOG);
  await client.submit(BLOG, { idempotencyKey: "mine" });
  expect(keys[0]).not.toBe(keys[1]);
  expect(keys[2]).toBe("mine");
});

test("after_three_tries_a_submit_says_what_the_last_one_said", async () => {
  const { client, keys } = submitting(lost, lost, refused(503));
  const error = rejection(client.submit(BLOG));
  await vi.runAllTimersAsync();
  expect(await error).toMatchObject({ code: "refused", status: 503 });
  expect(keys).toHaveLength(3);
});

test.each([400, 402, 404, 409, 422, 500])("a_submit_that_is_refused_with_%i_is_not_sent_again", async (status) => {
  const { client, keys } = submitting(refused(status), taken);
  expect(await rejection(client.submit(BLOG))).toMatchObject({ status });
  expect(keys).toHaveLength(1);
});

test("a_submit_comes_again_no_earlier_than_the_server_wants", async () => {
  const { client, keys } = submitting(refused(503, "4"), taken);
  const answer = client.submit(BLOG);
  await vi.advanceTimersByTimeAsync(3_999);
  expect(keys).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(await answer).toEqual({ job_id: "job_1" });
});

test("a_server_that_wants_to_be_left_alone_for_long_is_left_to_the_caller", async () => {
  const { client, keys } = submitting(refused(429, "11"), taken);
  expect(await rejection(client.submit(BLOG))).toMatchObject({ status: 429, retryAfterMs: 11_000 });
  expect(keys).toHaveLength(1);
});

test("the_wait_for_another_try_is_drawn", async () => {
  const { client, keys } = submitting(lost, lost, taken);
  const answer = submitJob(client.connection, BLOG, {}, () => 0.5);
  await vi.advanceTimersByTimeAsync(249);
  expect(keys).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(keys).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(500);
  expect(await answer).toEqual({ job_id: "job_1" });
});

test("a_signal_ends_the_wait_for_another_try", async () => {
  const controller = new AbortController();
  const { client, keys } = submitting(refused(503, "5"), taken);
  const error = rejection(client.submit(BLOG, { signal: controller.signal }));
  await vi.advanceTimersByTimeAsync(1_000);
  controller.abort();
  expect(await error).toMatchObject({ code: "aborted" });
  expect(vi.getTimerCount()).toBe(0);
  expect(keys).toHaveLength(1);
});
