// Code of JavaScript and TypeScript fits the types of what it uses: the client as it is published, React,
// and the libraries that the guides lead away from.

import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { read } from "./markdown.mjs";
import { PAGES } from "./pages.mjs";
import { here, run } from "./support.mjs";

const FOLDER = here(".checked");

const blocks = PAGES.flatMap((path) => read(path).blocks)
  .filter(({ language, directives }) => ["js", "ts", "tsx"].includes(language) && directives["not run"] === undefined && directives.from === undefined);

const nameOf = ({ page, line, language }) => `${page.replace(/\W/g, "_")}_${line}.${language}${language === "tsx" ? "" : ""}`;

const CONFIG = {
  compilerOptions: {
    target: "ES2023", module: "ESNext", moduleResolution: "Bundler", jsx: "react-jsx",
    lib: ["ES2023", "DOM", "DOM.Iterable", "DOM.AsyncIterable"], types: ["node"],
    strict: true, noImplicitAny: false, strictNullChecks: true, useUnknownInCatchVariables: false,
    allowJs: true, checkJs: true, skipLibCheck: true, noEmit: true, moduleDetection: "force",
    paths: {
      "react": ["../node_modules/@types/react/index.d.ts"],
      "react/*": ["../node_modules/@types/react/*"],
      "tailwater": ["../../../client/dist/index.d.ts"],
      "tailwater/react": ["../../../client/dist/react/index.d.ts"],
    },
  },
  include: ["*"],
};

let complaints = "";

before(async () => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  writeFileSync(here(".checked/tsconfig.json"), JSON.stringify(CONFIG));
  for (const block of blocks) {
    const { given } = block.directives;
    // Imports stand in front of what is declared; in JavaScript nothing can be declared, so a file beside it does.
    const name = nameOf(block);
    if (given !== undefined && block.language === "js") {
      const [imports, declarations] = split(given);
      writeFileSync(here(`.checked/${name}`.replace(/\.js$/, ".ts")), `${imports}${declarations}${block.text}`);
    } else {
      writeFileSync(here(`.checked/${name}`), `${given ?? ""}\n${block.text}`);
    }
  }
  const { stdout, stderr } = await run("node", [here("node_modules/typescript/bin/tsc"), "--project", FOLDER, "--pretty", "false"]);
  complaints = `${stdout}${stderr}`;
  if (/error TS(?:5\d{3}|6053|18003):/.test(complaints)) throw new Error(complaints);
});

after(() => rmSync(FOLDER, { recursive: true, force: true }));

function split(given) {
  const lines = given.split("\n");
  return [lines.filter((line) => line.startsWith("import ")).join("\n") + "\n", lines.filter((line) => !line.startsWith("import ")).join("\n") + "\n"];
}

for (const block of blocks) {
  test(`${block.page}:${block.line} ${block.language}`, () => {
    const stem = nameOf(block).replace(/\.\w+$/, ".");
    const own = complaints.split("\n").filter((line) => line.includes(stem));
    assert.deepEqual(own, []);
  });
}
