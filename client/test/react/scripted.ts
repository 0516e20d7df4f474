// A server inside of the test: it keeps a log for each job, and streams what the test adds to it.

import { Tailwater } from "../../src/client.ts";
import { isTerminal } from "../../src/events.ts";
import type { Fetch } from "../../src/http.ts";

/** What a test adds to a log: the type of an event, and its data. */
export type Fact = readonly [type: string, data: Readonly<Record<string, unknown>>];

interface Stream {
  readonly jobId: string;
  readonly after: number;
  readonly body: ReadableStreamDefaultController<Uint8Array>;
}

const bytes = new TextEncoder();

/** A server, and a client that asks it. */
export class ScriptedServer {
  readonly client: Tailwater;
  /** Every request, as its method and its path. */
  readonly requests: string[] = [];
  /** The bodies that were sent with it, by the request's place. */
  readonly bodies: unknown[] = [];
  /** The streams that are open. */
  readonly streams = new Set<Stream>();
  /** Answers in place of the server, where it gives something. */
  intercept: (request: string, signal: AbortSignal | null) => Promise<Response> | Response | null = () => null;
  readonly #logs = new Map<string, { id: number; text: string; isLast: boolean }[]>();
  #jobs = 0;
  #events = 0;

  constructor() {
    this.client = new Tailwater({ baseUrl: "https://jobs.example", fetch: this.fetch });
  }

  /** How often a request was made. */
  count(request: string): number {
    return this.requests.filter((made) => made === request).length;
  }

  /** What was sent with the newest request of a kind. */
  sent(request: string): unknown {
    return this.bodies[this.requests.lastIndexOf(request)];
  }

  /** Adds events to a job's log; each reader gets them in one piece. */
  add(jobId: string, ...facts: readonly Fact[]): void {
    const items = facts.map(([type, data]) => {
      this.#events += 1;
      const text = `id: ${this.#events}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
      return { id: this.#events, text, isLast: isTerminal(type) };
    });
    this.#log(jobId).push(...items);
    for (const stream of this.streams) {
      if (stream.jobId === jobId) this.#send(stream, items);
    }
  }

  readonly fetch: Fetch = async (input, init) => {
    const url = new URL(input);
    const request = `${init?.method ?? "GET"} ${url.pathname}`;
    this.requests.push(request);
    this.bodies.push(typeof init?.body === "string" ? JSON.parse(init.body) : null);
    const signal = init?.signal ?? null;
    const intercepted = await this.intercept(request, signal);
    if (intercepted !== null) return intercepted;
    const [, jobId = "", verb] = /^\/api\/jobs\/(\w+)\/(\w+)$/.exec(url.pathname) ?? [];
    if (verb === "stream") return this.#stream(jobId, Number(url.searchParams.get("after") ?? 0), signal);
    if (verb === "cancel") return this.#cancel(jobId);
    if (request === "POST /api/jobs") return this.#submit();
    return refused(404, "unknown_route");
  };

  #submit(): Response {
    this.#jobs += 1;
    return Response.json({ job_id: `job_${this.#jobs}`, hold: 5 }, { status: 202 });
  }

  #cancel(jobId: string): Response {
    this.add(jobId, ["canceled", { reason: "asked" }]);
    return Response.json({ job_id: jobId, status: "canceled" });
  }

  #stream(jobId: string, after: number, signal: AbortSignal | null): Response {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const stream: Stream = { jobId, after, body: controller };
        this.streams.add(stream);
        signal?.addEventListener("abort", () => {
          if (this.streams.delete(stream)) controller.error(signal.reason);
        });
        controller.enqueue(bytes.encode(`event: hello\ndata: {"after":${after},"head":${this.#events}}\n\n`));
        this.#send(stream, this.#log(jobId).filter(({ id }) => id > after));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  #send(stream: Stream, items: readonly { readonly text: string; readonly isLast: boolean }[]): void {
    if (items.length > 0) stream.body.enqueue(bytes.encode(items.map(({ text }) => text).join("")));
    if (!items.some(({ isLast }) => isLast)) return;
    this.streams.delete(stream);
    stream.body.close();
  }

  #log(jobId: string): { id: number; text: string; isLast: boolean }[] {
    const log = this.#logs.get(jobId) ?? [];
    this.#logs.set(jobId, log);
    return log;
  }
}

/** A refusal as the server words it. */
export const refused = (status: number, code: string, members: Readonly<Record<string, unknown>> = {}): Response =>
  Response.json({ code, detail: `it is ${code}`, retryable: false, ...members }, { status });

/** A piece of text. */
export const content = (offset: number, text: string): Fact => ["content", { index: 0, offset, text, attempt: 1 }];

/** The job is being worked on. */
export const RUNNING: Fact = ["status", { status: "running", attempt: 1 }];
/** The job is done. */
export const COMPLETED: Fact = ["completed", { cost: 3 }];
