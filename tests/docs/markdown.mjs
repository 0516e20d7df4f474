// The code blocks of a page, and what the comments above them say about how they are tested.
//
// A block is run, or checked, as its language says (`languages.mjs`). A comment right above its fence,
// which no reader of the rendered page sees, may say otherwise:
//
// | comment | what it means |
// | --- | --- |
// | `<!-- not run: why -->` | it is not, for this reason |
// | `<!-- file: name -->` | it is saved under this name, for the blocks behind it |
// | `<!-- from: path -->` | it stands word for word in this file of the repository, which a test runs |
// | `<!-- in background until: words -->` | a command that goes on; the next block waits until it says this |
// | `<!-- given: code -->` | what the code around a fragment declares, in TypeScript |
// | `<!-- first: command -->` | what a reader did before, that the page only says |
// | `<!-- then: code -->` | what is run behind it, to see that it does what it says |
// | `<!-- exit: 1 -->` | the command ends with this code |
//
// Once on a page, anywhere, `<!-- server: NAME=value --flag … -->` says how its server is started.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const DIRECTIVE = /^(not run|file|from|in background until|given|first|then|exit): ?([^]*)$/;
const FENCE = /^(\s*)(`{3,}|~{3,})\s*(\S*)(.*)$/;

/** A page's code blocks, in order, and how its server is to be started. */
export const read = (path) => parse(path, readFileSync(join(ROOT, path), "utf8"));

export function parse(path, text) {
  const lines = text.split("\n");
  const blocks = [];
  let directives = {};
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index];
    if (line.trim().startsWith("<!--")) {
      const from = index;
      while (!lines[index].includes("-->")) index += 1;
      const comment = lines.slice(from, index + 1).join("\n");
      directives = { ...directives, ...directive(comment) };
      continue;
    }
    const fence = FENCE.exec(line);
    if (fence === null) {
      if (line.trim() !== "") directives = {};
      continue;
    }
    const [, indent, ticks, language] = fence;
    const from = index + 1;
    do { index += 1; } while (index < lines.length && !lines[index].trim().startsWith(ticks));
    const body = lines.slice(from, index).map((one) => (one.startsWith(indent) ? one.slice(indent.length) : one));
    blocks.push({ page: path, line: from, language, text: `${body.join("\n")}\n`, directives });
    directives = {};
  }
  return { path, text, blocks, server: serverOf(text) };
}

function directive(comment) {
  const said = comment.trim().replace(/^<!--\s*/, "").replace(/\s*-->$/, "");
  if (said.startsWith("server:")) return {};
  const found = DIRECTIVE.exec(said);
  return found === null ? { unknown: said } : { [found[1]]: found[2].trim() };
}

function serverOf(text) {
  const words = /<!-- server: (.*?) -->/.exec(text)?.[1].split(/\s+/) ?? [];
  const env = {};
  while (words.length > 0 && /^[A-Z_]+=/.test(words[0])) {
    const [name, ...value] = words.shift().split("=");
    env[name] = value.join("=");
  }
  return { env, options: words };
}
