// Builds what the tests need of TypeScript: pages of their own, and modules of the studio.

import { mkdtemp, readdir, copyFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const HERE = fileURLToPath(new URL("./", import.meta.url));
// The client's own, so that the pages are built as the client is.
const { build } = createRequire(new URL("../../client/package.json", import.meta.url))("esbuild");

const OPTIONS = { absWorkingDir: HERE, bundle: true, format: "esm", target: "es2022", logLevel: "warning" };

/** The pages in `pages/` with their scripts, in a folder that `remove` deletes. */
export async function buildPages(names) {
  const folder = await mkdtemp(join(tmpdir(), "tailwater-pages-"));
  await build({
    ...OPTIONS,
    entryPoints: names.map((name) => `pages/${name}`),
    outdir: folder,
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const pages = (await readdir(join(HERE, "pages"))).filter((name) => name.endsWith(".html"));
  await Promise.all(pages.map((name) => copyFile(join(HERE, "pages", name), join(folder, name))));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** A module of the client, such as `studio/markdown/markdown.ts`, as Node can load it. */
export async function load(path) {
  const folder = await mkdtemp(join(tmpdir(), "tailwater-module-"));
  const outfile = join(folder, "module.mjs");
  await build({ ...OPTIONS, entryPoints: [`../../client/${path}`], outfile });
  const module = await import(pathToFileURL(outfile).href);
  await rm(folder, { recursive: true, force: true });
  return module;
}
