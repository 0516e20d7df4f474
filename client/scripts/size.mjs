// How much a page loads, minified and compressed; fails where that is more than was promised.
//
//   npm run size
//
// What a page loads at once leaves out what the package itself imports by a call, later and only
// where it is wanted. All in all is everything in one file, as for a page that is not split. The
// promises are held to gzip, which every server has; Brotli is what most browsers get.
//
// The aim is 8,000 bytes for the core and 14,000 for everything. What is promised is what is reached,
// so that it does not grow unseen on the way there.

import { brotliCompressSync, gzipSync } from "node:zlib";

import { build } from "esbuild";

import { ENTRIES, ROOT_PATH } from "./entries.mjs";

const [main, react] = Object.values(ENTRIES);

/** What a page may import, and the bytes that it loads less than, where they were promised. */
const PAGES = [
  { name: "core (Tailwater with watch), at once", source: `export { Tailwater } from "./${main}";`, atOnce: true, limit: 9_500 },
  { name: "core, all in all", source: `export { Tailwater } from "./${main}";` },
  { name: "the main entry, at once", source: `export * from "./${main}";`, atOnce: true },
  { name: "the main entry, all in all", source: `export * from "./${main}";` },
  { name: "React's hooks, with what they need, at once", source: `export * from "./${react}";`, atOnce: true },
  { name: "everything, at once", source: `export * from "./${main}"; export * from "./${react}";`, atOnce: true, limit: 16_200 },
  { name: "everything, all in all", source: `export * from "./${main}"; export * from "./${react}";`, limit: 19_500 },
];

/** Leaves out what is imported by a call. */
const LATER = {
  name: "later",
  setup({ onResolve }) {
    onResolve({ filter: /./ }, ({ kind, path }) => (kind === "dynamic-import" ? { path, external: true } : undefined));
  },
};

async function bundle(source, atOnce) {
  const { outputFiles } = await build({
    absWorkingDir: ROOT_PATH,
    stdin: { contents: source, resolveDir: ROOT_PATH, loader: "ts" },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["react"],
    plugins: atOnce ? [LATER] : [],
    write: false,
    logLevel: "warning",
  });
  return outputFiles[0].contents;
}

for (const { name, source, atOnce = false, limit = Infinity } of PAGES) {
  const bytes = await bundle(source, atOnce);
  const size = gzipSync(bytes, { level: 9 }).length;
  const fits = size < limit;
  const promise = limit === Infinity ? "" : `, promised below ${limit}`;
  console.log(`${fits ? "ok  " : "OVER"} ${name}: ${size} bytes${promise} (Brotli ${brotliCompressSync(bytes).length})`);
  if (!fits) process.exitCode = 1;
}
