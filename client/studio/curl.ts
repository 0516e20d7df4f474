// What the page does, as a command for a terminal.

/** Watches a job from its beginning. */
export const streamCommand = (origin: string, job: string): string => (
  `curl --no-buffer ${quoted(`${origin}/api/jobs/${job}/stream`)}`
);

/** Submits a job. */
export function submitCommand(origin: string, route: string, body: unknown): string {
  const json = quoted(JSON.stringify(body));
  return `curl ${quoted(origin + route)} --header 'content-type: application/json' --data ${json}`;
}

/** A word that a POSIX shell takes as it is. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
