// Amounts in credits: whole micro-credits in, exact decimal text out.

import type { Cost } from "../src/index.ts";

/** Micro-credits as a decimal text with at least two decimals, exactly. */
export function creditsOf(micro: number): string {
  const sign = micro < 0 ? "−" : "";
  const digits = String(Math.abs(Math.trunc(micro))).padStart(7, "0");
  const decimals = digits.slice(-6).replace(/0{1,4}$/, "");
  return `${sign}${digits.slice(0, -6)}.${decimals}`;
}

/** A decimal text of the catalog's as micro-credits. */
export function microOf(credits: string): number {
  const [whole = "0", part = ""] = credits.split(".");
  return Number(whole) * 1_000_000 + Number(part.padEnd(6, "0").slice(0, 6));
}

/** What a job costs, as in `cost 0.28 credits`, or nothing. */
export function costWords({ what, micro }: Cost): string {
  if (what === null) return "";
  return what === "released" ? "nothing was charged" : `${what} ${creditsOf(micro)} credits`;
}
