// How much a page loads, minified and compressed; fails where that is more than was promised.
//
//   npm run size

import { resolve } from "node:path";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

import { ENTRIES, ROOT_PATH } from "./entries.mjs";

/** What a page imports, and the bytes that it loads less than: at once, or all in all. */
const PROMISES = [
  {
    name: "core (Tailwater with watch), at once",
    source: `export { Tailwater } from "./${ENTRIES.index}";`,
    limit: 8_000,
    of: ({ first }) => first,
  },
  {
    name: "everything, React's hooks too, all in all",
    source: Object.values(ENTRIES).map((entry) => `export * from "./${entry}";`).join("\n"),
    limit: 14_000,
    of: ({ first, later }) => first + later,
  },
];

/** A page's bundle: each of its files, with the files that it cannot do without. */
async function bundle(source) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT_PATH,
    stdin: { contents: source, resolveDir: ROOT_PATH, loader: "ts" },
    outdir: "size",
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    external: ["react"],
    write: false,
    metafile: true,
    logLevel: "warning",
  });
  const contents = new Map(outputFiles.map((file) => [file.path, file.contents]));
  const files = Object.entries(metafile.outputs).map(([path, { imports, entryPoint }]) => ({
    path,
    isEntry: entryPoint === "<stdin>",
    // What is imported by a call comes later, and only where it is wanted.
    needs: imports.filter(({ kind, external }) => kind === "import-statement" && !external).map((one) => one.path),
    size: gzipSync(contents.get(resolve(ROOT_PATH, path)), { level: 9 }).length,
  }));
  return new Map(files.map((file) => [file.path, file]));
}

/** The bytes that come at once, and those that a call may load later. */
function measure(files) {
  const atOnce = new Set();
  const visit = (file) => {
    if (atOnce.has(file)) return;
    atOnce.add(file);
    file.needs.forEach((path) => visit(files.get(path)));
  };
  [...files.values()].filter(({ isEntry }) => isEntry).forEach(visit);
  const sum = (some) => some.reduce((total, { size }) => total + size, 0);
  return { first: sum([...atOnce]), later: sum([...files.values()].filter((file) => !atOnce.has(file))) };
}

for (const { name, source, limit, of } of PROMISES) {
  const size = of(measure(await bundle(source)));
  const fits = size < limit;
  console.log(`${fits ? "ok  " : "OVER"} ${name}: ${size} of ${limit} bytes`);
  if (!fits) process.exitCode = 1;
}
