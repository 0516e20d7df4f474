// Holds the client's types to what the server really says: golden/ has its answers, written by the
// server's own tests, and each becomes a literal of the type that test/golden.types.ts gives it. So
// a member that the type does not know is an error of `npm run types`, one that is missing is, and
// a file that has no type is too.
//
//   node scripts/golden.mjs

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { ROOT_PATH } from "./entries.mjs";

const HEAD = `// Made by scripts/golden.mjs out of golden/*.json; not in the repository.

import type { Golden } from "./golden.types.ts";
`;

const folder = join(ROOT_PATH, "golden");
const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".json")).sort() : [];

/** `submit.blog.json`, as a literal of the type of a `submit`. */
function literal(file) {
  const [kind, ...sample] = file.slice(0, -".json".length).split(".");
  const answer = JSON.parse(readFileSync(join(folder, file), "utf8"));
  return `export const ${[kind, ...sample].join("_")}: Golden["${kind}"] = ${JSON.stringify(answer, null, 2)};\n`;
}

const text = files.length === 0 ? "export {};\n" : [HEAD, ...files.map(literal)].join("\n");
writeFileSync(join(ROOT_PATH, "test/golden.generated.ts"), text);
