// The header by which a server says when to come again (RFC 9110 § 10.2.3).

/** The longest that a server is obeyed, in milliseconds: a wrong clock there must not stop us for a day. */
export const RETRY_AFTER_LIMIT_MS = 5 * 60_000;

/** The delay as a number between nothing and the limit. */
export const clampRetryAfter = (ms: number): number => Math.min(Math.max(ms, 0), RETRY_AFTER_LIMIT_MS);

/**
 * The delay that a `Retry-After` asks for, in milliseconds from 0 to five minutes; null where there
 * is none that can be read.
 *
 * Both forms are taken, whole seconds and a date. A date is only looked for after the name of a day,
 * since `Date.parse` finds one in "1.5" as well.
 *
 * @param now what a date is measured from, in `Date.now()` milliseconds
 */
export function parseRetryAfter(value: string | null | undefined, now: number = Date.now()): number | null {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return clampRetryAfter(Number(text) * 1000);
  if (!/^(?:mon|tue|wed|thu|fri|sat|sun)/i.test(text)) return null;
  // The oldest of the three forms of dates, asctime's, has no zone and means GMT all the same.
  const at = Date.parse(/GMT$/i.test(text) ? text : `${text} GMT`);
  return Number.isNaN(at) ? null : clampRetryAfter(at - now);
}
