// What to make of an error that a poll function has thrown.

import { clampRetryAfter, parseRetryAfter } from "../retry-after.ts";

/**
 * `missing`: not there yet, go on; `limited`: too many requests; `refused`: asking again will not
 * help; `failed`: the server or the network, which may recover.
 */
export type TroubleKind = "missing" | "limited" | "refused" | "failed";

/** An error, judged. */
export interface Trouble {
  readonly kind: TroubleKind;
  readonly message: string;
  /** When the server wants to be asked again, in milliseconds; null where it does not say. */
  readonly retryAfterMs: number | null;
  /** Whether there was an answer at all. */
  readonly answered: boolean;
}

/** Why a poll was cut off: nobody waits any more, it took too long, or the page woke up. */
export class Cut extends Error {
  constructor(readonly why: "over" | "stalled" | "woken") {
    super(`the request was cut off: ${why}`);
  }
}

/** Judges what was thrown, at the time `now`. */
export function judge(thrown: unknown, now: number): Trouble {
  const field = (name: string): unknown =>
    typeof thrown === "object" && thrown !== null ? Reflect.get(thrown, name) : undefined;
  const message = String(field("message") ?? thrown);
  const status = Number(field("status") ?? NaN);
  const answered = !Number.isNaN(status);
  const kind = answered ? kindOf(status) : kindOfWords(message);
  return { kind, message, answered, retryAfterMs: retryAfter(field, now) };
}

function kindOf(status: number): TroubleKind {
  if (status === 404) return "missing";
  if (status === 429) return "limited";
  // Request Timeout and Too Early are about this request, not about what it asks for.
  const passes = status < 400 || status >= 500 || status === 408 || status === 425;
  return passes ? "failed" : "refused";
}

/** A poll function made by hand may say it in words alone. */
const kindOfWords = (message: string): TroubleKind => (/\b429\b|rate limit/i.test(message) ? "limited" : "failed");

function retryAfter(field: (name: string) => unknown, now: number): number | null {
  const ms = Number(field("retryAfterMs") ?? NaN);
  return Number.isNaN(ms) ? parseRetryAfter(String(field("retryAfter")), now) : clampRetryAfter(ms);
}
