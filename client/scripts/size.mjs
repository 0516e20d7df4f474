// How much a page loads, minified and compressed; fails where that is more than was promised.
//
//   npm run size

import { gzipSync } from "node:zlib";

import { build } from "esbuild";

import { ENTRIES, ROOT_PATH } from "./entries.mjs";

/** What a page imports, and the most that it may load for it, in bytes. */
const PROMISES = [
  { name: "core (Tailwater with watch)", source: `export { Tailwater } from "./${ENTRIES.index}";`, limit: 8_000 },
  {
    name: "everything, React's hooks too",
    source: Object.values(ENTRIES).map((entry) => `export * from "./${entry}";`).join("\n"),
    limit: 14_000,
  },
];

/** The bytes of a page's bundle, compressed. */
async function measure(source) {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: ROOT_PATH, loader: "ts" },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["react"],
    write: false,
    logLevel: "warning",
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

for (const { name, source, limit } of PROMISES) {
  const size = await measure(source);
  const fits = size < limit;
  console.log(`${fits ? "ok  " : "OVER"} ${name}: ${size} of ${limit} bytes`);
  if (!fits) process.exitCode = 1;
}
