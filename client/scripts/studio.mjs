// Builds the pages that the server has in itself, each into one file: the studio, and the operator's page.
//
//   npm run studio          writes static/studio.js and static/admin.js
//   npm run studio:check    fails where such a file is not what its sources make

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

import { PAGES, ROOT_PATH } from "./entries.mjs";

const isCheck = process.argv.includes("--check");

for (const { name, source } of PAGES) {
  const path = join(ROOT_PATH, "../static", `${name}.js`);
  const text = await bundle(source, path);
  if (!isCheck) writeFileSync(path, text);
  else if (committed(path) !== text) {
    console.error(`static/${name}.js is not what client/${source} makes: run npm run studio`);
    process.exitCode = 1;
  }
}

async function bundle(source, outfile) {
  const { outputFiles } = await build({
    absWorkingDir: ROOT_PATH,
    entryPoints: [source],
    outfile,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    // Licences of others would have to stay; there are none, since nothing of others is in it.
    legalComments: "inline",
    write: false,
    logLevel: "warning",
  });
  return outputFiles[0].text;
}

function committed(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
