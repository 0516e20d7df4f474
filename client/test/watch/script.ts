// A server that does as it is told: answers to `fetch`, streams that are written to by hand.

import { Connection, type Fetch } from "../../src/http.ts";

/** A request that came. */
export interface Asked {
  readonly url: URL;
  readonly headers: Headers;
  readonly signal: AbortSignal | null;
}

/** A stream that a test writes to. */
export class Wire {
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  readonly response: Response;
  isOpen = true;

  constructor(signal: AbortSignal | null) {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => { this.#controller = controller; },
      cancel: () => { this.isOpen = false; },
    });
    this.response = new Response(body, { headers: { "content-type": "text/event-stream" } });
    signal?.addEventListener("abort", () => {
      if (this.isOpen) this.cut(new DOMException("aborted", "AbortError"));
    });
  }

  send(text: string): void {
    this.#controller?.enqueue(new TextEncoder().encode(text));
  }

  hello(fields: object = {}): void {
    this.send(`event: hello\ndata: ${JSON.stringify({ after: null, head: 0, ...fields })}\n\n`);
  }

  event(id: number, type: string, data: object = {}): void {
    this.send(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** The response ends in good order. */
  end(): void {
    this.isOpen = false;
    this.#controller?.close();
  }

  /** The connection breaks. */
  cut(error: Error = new TypeError("the connection broke")): void {
    this.isOpen = false;
    this.#controller?.error(error);
  }
}

export const json = (body: unknown, init: ResponseInit = {}): Response =>
  new Response(JSON.stringify(body), { headers: { "content-type": "application/json" }, ...init });

export const problem = (status: number, code: string, headers: Record<string, string> = {}): Response =>
  json({ status, code, detail: `it is ${code}` }, { status, headers });

type Answer = (asked: Asked) => Response | Promise<Response>;

/** A server of a test: what each path answers, and what was asked. */
export class Script {
  readonly asked: Asked[] = [];
  readonly wires: Wire[] = [];
  readonly connection: Connection;
  readonly #answers = new Map<string, Answer>();
  #arrived: () => void = () => undefined;

  constructor(token?: string) {
    const fetch: Fetch = (input, init) => this.#fetch(input, init);
    this.connection = new Connection({ baseUrl: "http://test", fetch, ...(token !== undefined && { token }) });
  }

  /** Says what a path answers from now on. */
  on(path: string, answer: Answer): this {
    this.#answers.set(path, answer);
    return this;
  }

  /** A path whose every request gets a wire of its own. */
  stream(path: string): this {
    return this.on(path, ({ signal }) => {
      const wire = new Wire(signal);
      this.wires.push(wire);
      return wire.response;
    });
  }

  /** The newest wire. */
  get wire(): Wire {
    const wire = this.wires.at(-1);
    if (wire === undefined) throw new Error("no stream was opened");
    return wire;
  }

  /** The requests for a path. */
  to(path: string): Asked[] {
    return this.asked.filter(({ url }) => url.pathname === path);
  }

  /** Waits for the next request. */
  next(): Promise<void> {
    return new Promise((resolve) => { this.#arrived = resolve; });
  }

  async #fetch(input: string, init: RequestInit = {}): Promise<Response> {
    const asked: Asked = { url: new URL(input), headers: new Headers(init.headers), signal: init.signal ?? null };
    this.asked.push(asked);
    const answer = this.#answers.get(asked.url.pathname);
    if (answer === undefined) throw new TypeError(`nothing answers ${asked.url.pathname}`);
    const given = answer(asked);
    this.#arrived();
    return given instanceof Promise ? Promise.race([given, aborting(asked.signal)]) : given;
  }
}

/** An answer that never comes, until whoever asks lets go. */
export const never = (): Promise<Response> => new Promise(() => undefined);

function aborting(signal: AbortSignal | null): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
  });
}
