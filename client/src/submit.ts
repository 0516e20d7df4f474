// A submit that may be sent again: its idempotency key makes the second the same as the first.

import { fullJitter, type Random } from "./backoff.ts";
import { failure, type TailwaterError } from "./errors.ts";
import type { Connection } from "./http.ts";
import { sleep } from "./sleep.ts";
import type { SubmitAnswer, SubmitBody } from "./types.ts";

/** How a job is submitted. */
export interface SubmitOptions {
  /** The same key again gets the same job. One is made up where none is given. */
  readonly idempotencyKey?: string;
  /** Ends the call; a job that was taken by then goes on. */
  readonly signal?: AbortSignal;
}

const TRIES = 3;
const BASE_MS = 500;
const CAP_MS = 5_000;
/** A server that wants to be left alone for longer is its caller's business. */
const LONGEST_MS = 10_000;

/** Answers that may hide a job that was taken, or that ask to come again. */
const AGAIN: ReadonlySet<number | null> = new Set([null, 408, 429, 502, 503, 504]);

/** Submits, up to three times in all while the answer is lost or the server asks to come again. */
export async function submitJob(
  connection: Connection,
  body: SubmitBody,
  { idempotencyKey = newKey(), signal }: SubmitOptions = {},
  random: Random = Math.random,
): Promise<SubmitAnswer> {
  const call = { method: "POST", json: body, headers: { "idempotency-key": idempotencyKey }, signal } as const;
  for (let failures = 0; ; failures += 1) {
    try {
      return await connection.json<SubmitAnswer>("/api/jobs", call);
    } catch (caught) {
      const error = failure(caught, signal);
      const delay = Math.max(error.retryAfterMs ?? 0, fullJitter(failures, BASE_MS, CAP_MS, random));
      if (failures + 1 === TRIES || !isWorthATry(error) || delay > LONGEST_MS) throw error;
      await sleep(delay, signal);
    }
  }
}

function isWorthATry({ code, status }: TailwaterError): boolean {
  return code !== "aborted" && AGAIN.has(status);
}

/** 128 bits. Not `randomUUID`: a page that is served over plain HTTP does not have it. */
function newKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
