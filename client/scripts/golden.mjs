// Holds src/types.ts to what the server really says: golden/ has its answers, written by the
// server's own tests, and each becomes a literal of the type that is said to describe it. So a
// member that the type does not know is an error of `npm run types`, and one that is missing too.
//
//   node scripts/golden.mjs [folder]

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { ROOT_PATH } from "./entries.mjs";

/** Which type an answer is of, by its file's name without `.json`. The first row that fits counts. */
const TYPES = [
  [/^submit/, "SubmitAnswer"],
  [/^jobs?_list|^job_page/, "JobPage"],
  [/^job/, "Job"],
  [/^cancel/, "CancelAnswer"],
  [/^events?_page/, "EventPage"],
  [/^file/, "FileView"],
  [/^project/, "ProjectView"],
  [/^upload/, "Upload"],
  [/^models/, "ModelList"],
  [/^model/, "Model"],
  [/^credits/, "Credits"],
  [/^ledger_entry/, "LedgerEntry"],
  [/^ledger/, "LedgerPage"],
  [/^info/, "Info"],
  [/^problem/, "Problem"],
  [/^event\./, "JobEvent"],
  // Several jobs on one connection: what they are told is the same, in an envelope.
  [/^envelope\./, "Envelope"],
  [/^stream_of_(jobs|project)\.hello/, "JobEvent"],
  [/^stream_of_project\.snapshot/, "ProjectSnapshot"],
];

/** Where a type is; those of the answers are in types.ts. */
const PLACES = {
  Problem: "Problem",
  JobEvent: "JobEvent",
  Envelope: "Omit<JobEvent, \"data\"> & { readonly data: { readonly job: string; readonly data: JobEvent[\"data\"] } }",
  ProjectSnapshot:
    'Omit<JobEvent, "data"> & { readonly data: { readonly project: string; readonly jobs: readonly types.JobSummary[] } }',
};

const HEAD = `// Made by scripts/golden.mjs out of golden/*.json; not in the repository.
import type { Problem } from "../src/errors.ts";
import type { JobEvent } from "../src/events.ts";
import type * as types from "../src/types.ts";
`;

const folder = resolve(process.argv[2] ?? join(ROOT_PATH, "golden"));
const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")).sort() : [];

const literals = names.map((file) => {
  const name = file.slice(0, -".json".length);
  const row = TYPES.find(([pattern]) => pattern.test(name));
  if (row === undefined) throw new Error(`golden/${file} has no type: add a row to scripts/golden.mjs`);
  const type = PLACES[row[1]] ?? `types.${row[1]}`;
  const answer = JSON.parse(readFileSync(join(folder, file), "utf8"));
  return `export const ${name.replace(/\W/g, "_")}: ${type} = ${JSON.stringify(answer, null, 2)};\n`;
});

const text = literals.length === 0 ? "export {};\n" : [HEAD, ...literals].join("\n");
writeFileSync(join(ROOT_PATH, "test/golden.generated.ts"), text);
