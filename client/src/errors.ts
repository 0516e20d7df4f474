// What goes wrong, as callers see it: one class, told apart by its code.

import { parseRetryAfter } from "./retry-after.ts";

/** What is wrong with one field of a request. */
export interface FieldError {
  /** Where it is in the body: a JSON pointer (RFC 6901), empty for the whole body. */
  readonly pointer: string;
  readonly detail: string;
}

/** The body of a refusal (RFC 9457), with whatever members the code brings besides. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  /** Whether the same request may succeed later, with nothing else done about it. */
  readonly retryable: boolean;
  /** The trace that the request belongs to, for whoever looks into it. */
  readonly trace_id?: string;
  readonly errors?: readonly FieldError[];
  readonly [member: string]: unknown;
}

/** What a `TailwaterError` may know besides its code and its detail. */
export interface TailwaterErrorOptions {
  readonly status?: number | null;
  readonly errors?: readonly FieldError[];
  readonly retryAfterMs?: number | null;
  readonly retryable?: boolean;
  readonly problem?: Readonly<Record<string, unknown>> | null;
  readonly body?: string;
  readonly cause?: unknown;
}

/**
 * Why a call or a watch came to nothing.
 *
 * `code` is the server's own (`invalid_field`, `insufficient_credits`, …), or one of these:
 * `unreachable`, no answer came; `refused`, an answer that says no and not why, as a proxy's;
 * `unreadable`, an answer that no Tailwater server sends; `gave_up`, a watch used up its tries;
 * `aborted`, the caller's own signal or `close()`.
 */
export class TailwaterError extends Error {
  override readonly name = "TailwaterError";
  /** The HTTP status, where there was an answer. */
  readonly status: number | null = null;
  /** What is wrong with each field, where the server says so. */
  readonly errors: readonly FieldError[] = [];
  /** How long the server wants to be left alone, in milliseconds; at most five minutes. */
  readonly retryAfterMs: number | null = null;
  /** Whether the same call may succeed later, with nothing else done about it. */
  readonly retryable: boolean = false;
  /** The whole problem, for members that only some codes have; null where the answer was none. */
  readonly problem: Readonly<Record<string, unknown>> | null = null;
  /** How the answer began that was no problem, such as a proxy's page. */
  readonly body: string = "";

  constructor(
    readonly code: string,
    /** What happened in this very case, for people. */
    readonly detail: string,
    { cause, ...known }: TailwaterErrorOptions = {},
  ) {
    const fields = (known.errors ?? []).map((field) => `${field.pointer || "the body"} ${field.detail}`);
    super([detail, ...fields].join("; "), cause === undefined ? {} : { cause });
    Object.assign(this, known);
  }
}

/** Statuses after which the same request may do, where the answer itself does not say. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Whether a status stays the same however often one asks. */
export const isFinal = (status: number | null): boolean => [400, 401, 403, 404, 410].includes(status ?? 0);

/** An answer that says no, as an error; reads its body. */
export async function refusal(response: Response): Promise<TailwaterError> {
  const { status, statusText, headers } = response;
  // A body that breaks off tells nothing; that the answer says no is known already.
  const text = await response.text().catch(() => "");
  const problem = parseObject(text);
  const { code, detail, title, errors, retryable } = problem ?? {};
  return new TailwaterError(said(code) || "refused", said(detail) || said(title) || `the server answered ${status} ${statusText}`.trim(), {
    status,
    errors: Array.isArray(errors) ? errors.filter(isFieldError) : [],
    retryAfterMs: parseRetryAfter(headers.get("retry-after")),
    retryable: typeof retryable === "boolean" ? retryable : PASSING.has(status),
    problem,
    body: problem === null ? beginning(text) : "",
  });
}

/** Why an exchange came to nothing: the caller's own will, or the network's. */
export function failure(error: unknown, signal?: AbortSignal, what = "no answer came"): TailwaterError {
  if (error instanceof TailwaterError) return error;
  if (signal?.aborted) return aborted(signal);
  // What a runtime says of the network names the address at most, and never the request's headers.
  const reason = reasonOf(error);
  return new TailwaterError("unreachable", reason === "" ? what : `${what}: ${reason}`, { retryable: true, cause: error });
}

/** Node says "fetch failed", and why in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  return reasonOf(error.cause) || error.message;
}

/** The caller ended it. */
export function aborted(signal?: AbortSignal): TailwaterError {
  return new TailwaterError("aborted", "the caller ended it", { cause: signal?.reason });
}

/** How an answer begins that is no problem: enough of a proxy's page to tell whose it is. */
export const beginning = (text: string): string => text.slice(0, 2_000);

/** An answer that no Tailwater server sends. */
export function unreadable(detail: string, options: TailwaterErrorOptions = {}): TailwaterError {
  return new TailwaterError("unreadable", detail, options);
}

/** There must be a body, and is none. */
export const bodiless = (status: number): TailwaterError => unreadable(`the answer ${status} has no body`, { status });

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isFieldError(value: unknown): value is FieldError {
  return isObject(value) && typeof value.pointer === "string" && typeof value.detail === "string";
}

/** What a problem says, where it is a text. */
const said = (value: unknown): string => (typeof value === "string" ? value : "");
