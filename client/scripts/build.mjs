// Builds the package into dist/: two modules that share what they have in common, and their types.
//
//   npm run build

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";

import { build } from "esbuild";

import { ENTRIES, ROOT } from "./entries.mjs";

rmSync(new URL("dist/", ROOT), { recursive: true, force: true });

await build({
  absWorkingDir: ROOT.pathname,
  entryPoints: ENTRIES,
  outdir: "dist",
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

const tsc = createRequire(import.meta.url).resolve("typescript/package.json").replace("package.json", "bin/tsc");
const { status } = spawnSync(process.execPath, [tsc, "--project", "tsconfig.build.json"], { cwd: ROOT, stdio: "inherit" });
process.exitCode = status ?? 1;
