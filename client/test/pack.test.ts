// The package as people get it: packed, installed into a project that has nothing else, compiled
// against and run.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, expect, test, vi } from "vitest";

const CLIENT = fileURLToPath(new URL("../", import.meta.url));
const COMPILER = createRequire(import.meta.url).resolve("typescript/package.json").replace("package.json", "bin/tsc");
/** Types that a page with React has; the package itself brings none. */
const REACT_TYPES = ["@types/react", "csstype"];

// Packing, installing and compiling take what they take.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let project = "";

const run = (command: string, args: readonly string[], cwd = project): string =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** What the compiler has to say; empty when it is content. */
const complaints = (...args: readonly string[]): string => {
  try {
    return run(process.execPath, [COMPILER, ...args]);
  } catch (error) {
    return error instanceof Error && "stdout" in error ? String(error.stdout) : String(error);
  }
};

/** Hands on everything that a front door of the sources names, from the installed package. */
const everyName = (door: string, module: string): string => {
  const source = readFileSync(join(CLIENT, "src", door), "utf8");
  const lists = [...source.matchAll(/^export (type )?(\{[^}]*\}|\*) from "([^"]+)";$/gm)];
  // A front door that says its names in another way would not be checked.
  expect(lists.length).toBe(source.match(/^export\b/gm)?.length);
  return lists
    .map(([, type = "", names = "", from = ""]) => {
      const named = names === "*" ? `{ ${declaredIn(join(CLIENT, "src", door, "..", from)).join(", ")} }` : names;
      return `export ${type}${named} from "${module}";\n`;
    })
    .join("");
};

/** The names that a module of the sources declares for others. */
const declaredIn = (path: string): string[] =>
  [...readFileSync(path, "utf8").matchAll(/^export (?:interface|type|class|const|function) (\w+)/gm)].map(([, name = ""]) => name);

/** The examples of the README in a language, each as a module of its own. */
const writeExamples = (language: string): void => {
  const text = readFileSync(join(CLIENT, "README.md"), "utf8");
  const examples = [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))];
  expect(examples).not.toEqual([]);
  for (const [index, [, example]] of examples.entries()) {
    writeFileSync(join(project, `example-${index}.${language}`), `${example}export {};\n`);
  }
};

const CONSUMER = `
import { Tailwater, TailwaterError, isTerminal } from "tailwater";
import type { JobEvent, SubmitAnswer, Watch } from "tailwater";

const asked: string[] = [];
const tailwater = new Tailwater({
  baseUrl: "https://jobs.example.com",
  token: "secret",
  fetch: async (url, init) => {
    asked.push(\`\${init?.method ?? "GET"} \${url}\`);
    return url.endsWith("/api/jobs")
      ? Response.json({ job_id: "job_1" }, { status: 202 })
      : Response.json({ code: "unknown_job", detail: "there is no job 'x'" }, { status: 404 });
  },
});

const answer: SubmitAnswer = await tailwater.submit({ kind: "blog", input: { topic: "rain" } });
const refused: unknown = await tailwater.get("x").catch((error: unknown) => error);

export async function follow(jobId: string): Promise<string> {
  const watch: Watch<{ "frame.rendered": { frame: number } }> = tailwater.watch(jobId, { after: 0 });
  let text = "";
  for await (const event of watch) {
    if (event.type === "content") text += event.data.text;
    if (event.type === "frame.rendered") text += event.data.frame.toFixed();
    if (isTerminal(event.type)) return text;
  }
  const end: JobEvent = await watch.done;
  return end.type;
}

console.log(JSON.stringify({
  job: answer.job_id,
  refused: refused instanceof TailwaterError ? refused.code : "no",
  asked,
}));
`;

const COMPILER_OPTIONS = {
  strict: true,
  skipLibCheck: false,
  exactOptionalPropertyTypes: true,
  target: "ES2022",
  lib: ["ES2022", "DOM", "DOM.Iterable"],
  module: "NodeNext",
  moduleResolution: "NodeNext",
  types: [],
};

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "tailwater-pack-"));
  run("npm", ["pack", "--silent", "--pack-destination", project], CLIENT);
  const { version } = JSON.parse(readFileSync(join(CLIENT, "package.json"), "utf8"));
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  run("npm", ["install", "--offline", "--no-audit", "--no-fund", "--silent", `./tailwater-${version}.tgz`]);
  writeFileSync(join(project, "use.ts"), CONSUMER);
  writeFileSync(join(project, "every.ts"), everyName("index.ts", "tailwater"));
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include: ["*.ts", "*.tsx"] }));
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

test("the_package_has_what_it_needs_and_nothing_of_its_making", () => {
  const files = run("find", ["node_modules/tailwater", "-type", "f"]).trim().split("\n");
  const kinds = new Set(files.map((file) => file.replace(/^node_modules\/tailwater\/(?:dist\/.*?)?/, "").replace(/^.*?(\.d\.ts|\.js\.map|\.js)$/, "dist $1")));
  expect([...kinds].sort()).toEqual(["LICENSE-APACHE", "LICENSE-MIT", "README.md", "dist .d.ts", "dist .js", "dist .js.map", "package.json"]);
  expect(run("ls", ["node_modules"]).trim()).toBe("tailwater");
});

test("every_public_name_has_its_type_without_any_other_package", () => {
  expect(complaints("--noEmit")).toBe("");
});

test("the_readmes_examples_compile", () => {
  writeExamples("ts");
  expect(complaints("--noEmit")).toBe("");
});

test("the_names_are_found_by_bundlers_too", () => {
  expect(complaints("--noEmit", "--module", "esnext", "--moduleResolution", "bundler")).toBe("");
});

test("it_runs_in_node", () => {
  expect(complaints("--outDir", "out")).toBe("");
  expect(JSON.parse(run(process.execPath, ["out/use.js"]))).toEqual({
    job: "job_1",
    refused: "unknown_job",
    asked: ["POST https://jobs.example.com/api/jobs", "GET https://jobs.example.com/api/jobs/x"],
  });
});

test("with_react_the_hooks_have_their_types_and_the_readmes_components_compile", () => {
  for (const name of REACT_TYPES) {
    const link = join(project, "node_modules", name);
    mkdirSync(join(link, ".."), { recursive: true });
    symlinkSync(join(CLIENT, "node_modules", name), link);
  }
  writeFileSync(join(project, "hooks.ts"), everyName("react/index.ts", "tailwater/react"));
  writeExamples("tsx");
  expect(complaints("--noEmit", "--preserveSymlinks", "--jsx", "react-jsx")).toBe("");
});
