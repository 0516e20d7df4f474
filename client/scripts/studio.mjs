// Builds the studio, the page that the server has in itself, into one file.
//
//   npm run studio          writes static/studio.js
//   npm run studio:check    fails where that file is not what its sources make

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

import { ROOT_PATH } from "./entries.mjs";

const STUDIO = join(ROOT_PATH, "../static/studio.js");

const { outputFiles } = await build({
  absWorkingDir: ROOT_PATH,
  entryPoints: ["studio/app.ts"],
  outfile: STUDIO,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  // Licences of others would have to stay; there are none, since nothing of others is in it.
  legalComments: "inline",
  write: false,
  logLevel: "warning",
});
const [{ text }] = outputFiles;

if (process.argv.includes("--check")) {
  if (committed() !== text) {
    console.error("static/studio.js is not what client/studio/ makes: run npm run studio");
    process.exitCode = 1;
  }
} else {
  writeFileSync(STUDIO, text);
}

function committed() {
  try {
    return readFileSync(STUDIO, "utf8");
  } catch {
    return null;
  }
}
