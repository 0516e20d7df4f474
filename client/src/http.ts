// The way to a server: its address, the token, and one request with its answer.

import { beginning, bodiless, failure, refusal, unreadable } from "./errors.ts";
import { parseRetryAfter } from "./retry-after.ts";

/** `fetch`, or something that behaves like it. */
export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/** Where a server is and how it is asked. */
export interface ConnectionOptions {
  /** In front of `/api`, as in `https://jobs.example.com`; empty for the page's own origin. */
  readonly baseUrl?: string;
  /** Sent as `Authorization: Bearer`; never in an address, never in an error. */
  readonly token?: string;
  readonly fetch?: Fetch;
}

/** The values of a query; what is undefined is left out. */
export type QueryValues = Readonly<Record<string, string | number | boolean | undefined>>;

/** One request. */
export interface Call {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly query?: QueryValues;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** What came back. */
export interface Answer<Body> {
  readonly status: number;
  /** Null where there is none: 304 after an `If-None-Match`, 204. */
  readonly body: Body | null;
  readonly etag: string | null;
  /** When the server wants to be asked again, in milliseconds. */
  readonly retryAfterMs: number | null;
}

// RFC 6750 § 2.1, widened to all visible ASCII. What a header cannot carry would show up, token and
// all, in the runtime's own error.
const TOKEN = /^[\x21-\x7e]+$/;
const ABSOLUTE = /^https?:\/\//i;
/** A host and perhaps a path: no name, no password, no query, no fragment. */
const PLAIN = /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#@]*)?$/i;

/** A server, and the right to ask it. */
export class Connection {
  readonly fetch: Fetch;
  readonly #baseUrl: string;
  /** Empty for the page's own. */
  readonly #origin: string;
  readonly #authorization: Readonly<Record<string, string>>;

  constructor({ baseUrl = "", token, fetch }: ConnectionOptions = {}) {
    this.#baseUrl = checkedBase(baseUrl, fetch);
    this.#origin = baseUrl && new URL(baseUrl).origin;
    if (token !== undefined && !TOKEN.test(token)) throw new TypeError("the token must be visible ASCII characters");
    this.#authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    // Called as a function and not as our method: a browser's own `fetch` insists on that. It is
    // looked up at each call, so that what a page puts around it later is used.
    this.fetch = (input, init) => (fetch ?? globalThis.fetch)(input, init);
  }

  /** The address of a path on this server; links in answers may be whole addresses already. */
  url(path: string, query: QueryValues = {}): string {
    return withQuery(ABSOLUTE.test(path) ? path : this.#baseUrl + path, query);
  }

  /** The headers that an address asks for: the token goes to this server and to nobody else. */
  headersFor(url: string): Record<string, string> {
    const own = !ABSOLUTE.test(url) || new URL(url).origin === this.#origin;
    return own ? { ...this.#authorization } : {};
  }

  /**
   * Asks, and reads the answer as JSON.
   *
   * Throws a `TailwaterError` for everything else: a refusal, no answer, one that cannot be read.
   */
  async call<Body>(path: string, { method = "GET", query = {}, json, body, headers = {}, signal }: Call = {}): Promise<Answer<Body>> {
    const url = this.url(path, query);
    const init: RequestInit = {
      method,
      headers: {
        accept: "application/json",
        ...(json === undefined ? {} : { "content-type": "application/json" }),
        ...this.headersFor(url),
        ...headers,
      },
      body: json === undefined ? (body ?? null) : JSON.stringify(json),
      signal: signal ?? null,
      // A browser's own cache would answer 200 where we asked whether there is news.
      cache: "no-store",
    };
    try {
      return await read<Body>(await this.fetch(url, init));
    } catch (error) {
      throw failure(error, signal);
    }
  }

  /** The same where there must be a body. */
  async json<Body>(path: string, call?: Call): Promise<Body> {
    const { body, status } = await this.call<Body>(path, call);
    if (body === null) throw bodiless(status);
    return body;
  }
}

async function read<Body>(response: Response): Promise<Answer<Body>> {
  const { status, headers } = response;
  if (!response.ok && status !== 304) throw await refusal(response);
  const text = await response.text();
  return {
    status,
    body: text === "" ? null : parse<Body>(text, response),
    etag: headers.get("etag"),
    retryAfterMs: parseRetryAfter(headers.get("retry-after")),
  };
}

/** The server's types are held to `types.ts` by the golden answers; here they are believed. */
function parse<Body>(text: string, { status, headers }: Response): Body {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const type = headers.get("content-type") ?? "of no type";
    throw unreadable(`the answer is not JSON but ${type}`, { status, body: beginning(text), cause });
  }
}

function withQuery(url: string, query: QueryValues): string {
  const [address = "", given] = url.replace(/#.*/s, "").split(/\?(.*)/s);
  const values = new URLSearchParams(given);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) values.set(name, String(value));
  }
  const text = String(values);
  return text === "" ? address : `${address}?${text}`;
}

function checkedBase(baseUrl: string, fetch: Fetch | undefined): string {
  // Outside of a browser there is no location, whatever its types say.
  if (baseUrl === "" && !fetch && !globalThis.location) throw new TypeError("outside of a page, a baseUrl is needed");
  // A password in an address would end up in errors and logs, so it is not even shown here.
  if (baseUrl !== "" && !PLAIN.test(baseUrl)) throw new TypeError("the baseUrl must be like https://jobs.example.com, with nothing after the path");
  return baseUrl.replace(/\/+$/, "");
}
