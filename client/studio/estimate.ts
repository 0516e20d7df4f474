// What a job will cost at most, as the server works it out (`GET /api/models`, `cost`).

import type { ModelCost } from "../src/types.ts";
import { creditsOf, microOf } from "./money.ts";

/** The values of a form; an input that is not given is not in it. */
export type Values = Readonly<Record<string, unknown>>;

/** The most that a job with these inputs costs, in micro-credits: what is held for it. */
export function estimate(cost: ModelCost, values: Values): number {
  return cost.per === "job" ? priceOf(cost, values) : priceOf(cost, values) * secondsOf(cost.seconds, values);
}

/** The price of one second or one job, for a list: `0.06 to 0.16 a second`. */
export function priceWords(cost: ModelCost): string {
  const prices = "by" in cost ? Object.values(cost.by.credits).map(microOf) : [microOf(cost.credits)];
  const [least, most] = [Math.min(...prices), Math.max(...prices)];
  const range = least === most ? creditsOf(least) : `${creditsOf(least)}–${creditsOf(most)}`;
  return cost.per === "job" ? range : `${range} / s`;
}

/** The inputs that the price looks at. */
export function pricedInputs(cost: ModelCost): readonly string[] {
  const names = "by" in cost ? [cost.by.input] : [];
  return cost.per === "second" && "input" in cost.seconds ? [...names, cost.seconds.input.name] : names;
}

function priceOf(cost: ModelCost, values: Values): number {
  if (!("by" in cost)) return microOf(cost.credits);
  const { input, credits, otherwise } = cost.by;
  const listed = credits[String(values[input] ?? otherwise)];
  return listed === undefined ? Math.max(...Object.values(credits).map(microOf)) : microOf(listed);
}

type Seconds = Extract<ModelCost, { per: "second" }>["seconds"];

function secondsOf(seconds: Seconds, values: Values): number {
  if ("at_most" in seconds) return seconds.at_most;
  const { name, otherwise } = seconds.input;
  // `8`, `"8"` and `"8s"` are all eight seconds.
  const found = /^(\d+)s?$/.exec(String(values[name] ?? ""));
  return found === null ? otherwise : Number(found[1]);
}
