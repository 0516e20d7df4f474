// What went wrong, in a sentence that says what to do.

import { TailwaterError } from "../src/errors.ts";
import { sentence } from "../studio/titles.ts";

const ADVICE: Readonly<Record<string, string>> = {
  unreachable: "The server cannot be reached; try again once it is back.",
  unauthorized: "The session is over. Load the page again and sign in.",
  forbidden: "This key may not do that; sign in with one that has the scope admin.",
  unknown_job: "It is gone: finished jobs are removed after a while.",
  unavailable: "The database does not answer. Try again in a moment.",
};

/** What became of a request that failed. */
export function problemWords(problem: unknown): string {
  if (!(problem instanceof TailwaterError)) return sentence(String(problem));
  const said = problem.code === "unreachable" ? "" : sentence(problem.message);
  const known = ADVICE[problem.code] ?? (problem.retryable ? "It may go better in a moment." : "");
  return [said, known].filter((part) => part !== "").join(" ");
}
