// The same job again.

import type { JobState } from "../src/index.ts";
import type { SubmitBody } from "../src/types.ts";

/** What a job was submitted with, to be tried again. */
export function retryBody(id: string, { kind, model, input }: JobState): SubmitBody {
  const body = { kind, ...(model !== null && { model }), input, retry_of: id, allow_duplicate: true };
  // The server's own record of what it took: it is as right as it was then.
  return body as SubmitBody;
}
