// Brings what draws the interface's page (/docs) out of its package into static/docs, its licence next to
// it: the binary has all of it, and nothing is fetched from anywhere else.
//
//   npm run docs          copies the files
//   npm run docs:check    fails where one is not the package's own

import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { ROOT_PATH } from "./entries.mjs";

const PACKAGE = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
const DOCS = join(ROOT_PATH, "../static/docs");

/** The files of the package, and what they are called here. */
const FILES = {
  "swagger-ui-bundle.js": "swagger-ui-bundle.js",
  "swagger-ui.css": "swagger-ui.css",
  "LICENSE": "swagger-ui.LICENSE.txt",
  "NOTICE": "swagger-ui.NOTICE.txt",
  "swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-bundle.js.LICENSE.txt",
};

for (const [theirs, ours] of Object.entries(FILES)) {
  const [from, to] = [join(PACKAGE, theirs), join(DOCS, ours)];
  if (!process.argv.includes("--check")) copyFileSync(from, to);
  else if (!existsSync(to) || !readFileSync(from).equals(readFileSync(to))) {
    console.error(`static/docs/${ours} is not the package's ${theirs}: run npm run docs`);
    process.exitCode = 1;
  }
}
