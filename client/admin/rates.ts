// What a provider was asked in the last minute, out of totals that only rise.

import { several, short } from "./amounts.ts";
import type { ProviderHealth } from "./types.ts";

const MINUTE_MS = 60_000;

/** Totals at a moment. */
interface Totals {
  readonly at: number;
  readonly requests: number;
  readonly errors: number;
}

/** The totals of the last minute, oldest first. */
export type Rates = readonly Totals[];

/** Takes totals in. A server that began anew counts from nothing, and so do we. */
export function withTotals(rates: Rates | undefined, at: number, { requests_total: requests, errors_total: errors }: ProviderHealth): Rates {
  const kept = (rates ?? []).filter((before) => before.at >= at - MINUTE_MS && before.at < at && before.requests <= requests);
  return [...kept, { at, requests, errors }];
}

/** How often something was asked and went wrong in the last minute, or since the page knows. */
export function lastMinute(rates: Rates | undefined): { readonly requests: number; readonly errors: number } {
  const [first, last] = [rates?.[0], rates?.at(-1)];
  if (!first || !last) return { requests: 0, errors: 0 };
  return { requests: last.requests - first.requests, errors: last.errors - first.errors };
}

/** A provider's figures, in a line. */
export function providerWords({ requests_total: requests, errors_total: errors, polls_saved_total: saved }: ProviderHealth, minute: { readonly requests: number; readonly errors: number }): string {
  if (requests === 0) return "not asked yet";
  return [
    `${several(minute.requests, "request")} in the last minute`,
    minute.errors > 0 ? several(minute.errors, "error") : errors > 0 ? `no errors now, ${short(errors)} in all` : "no errors",
    saved > 0 ? `${several(saved, "poll")} saved by callbacks` : "",
  ].filter(Boolean).join(" · ");
}
