// Builds the package into dist/: two modules that share what they have in common, and their types;
// and brings the repository's licences, which belong into the package.
//
//   npm run build

import { execFileSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { build } from "esbuild";

import { ENTRIES, LICENSES, ROOT_PATH } from "./entries.mjs";

const DIST = join(ROOT_PATH, "dist");

rmSync(DIST, { recursive: true, force: true });
await build({
  absWorkingDir: ROOT_PATH,
  entryPoints: ENTRIES,
  outdir: DIST,
  bundle: true,
  // One copy of the shared code: two would be two connections, and two kinds of TailwaterError.
  splitting: true,
  chunkNames: "shared-[hash]",
  format: "esm",
  target: "es2022",
  external: ["react"],
  sourcemap: true,
  logLevel: "warning",
});

const compiler = createRequire(import.meta.url).resolve("typescript/package.json").replace("package.json", "bin/tsc");
execFileSync(process.execPath, [compiler, "--project", "tsconfig.build.json"], { cwd: ROOT_PATH, stdio: "inherit" });

// The compiler renames imports in JavaScript only. Its own newest versions find "./events.ts" in a
// declaration, those of the package's users may not.
for (const file of readdirSync(DIST, { recursive: true })) {
  if (!file.endsWith(".d.ts")) continue;
  const declarations = readFileSync(join(DIST, file), "utf8");
  writeFileSync(join(DIST, file), declarations.replace(/((?:from|import)\s*\(?\s*"\.[^"]*)\.tsx?"/g, '$1.js"'));
}

for (const file of LICENSES) copyFileSync(join(ROOT_PATH, "..", file), join(ROOT_PATH, file));
