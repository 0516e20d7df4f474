// Every link of every page of the repository leads to a file and, where it names one, to a heading of it.
// Addresses of other sites are not asked.

import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";

import { ROOT } from "./markdown.mjs";
import { MARKDOWN } from "./pages.mjs";

const withoutCode = (text) => text.replace(/^\s*(```|~~~)[^]*?^\s*\1\s*$/gm, "").replace(/`[^`\n]*`/g, (code) => "x".repeat(code.length));

/** The anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(path) {
  const counts = new Map();
  const text = readFileSync(join(ROOT, path), "utf8").replace(/^\s*(```|~~~)[^]*?^\s*\1\s*$/gm, "");
  const named = [...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, name]) => name);
  const headings = [...text.matchAll(/^#{1,6}\s+(.*?)\s*#*$/gm)].map(([, heading]) => {
    const slug = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "").replaceAll(" ", "-");
    const seen = counts.get(slug) ?? 0;
    counts.set(slug, seen + 1);
    return seen === 0 ? slug : `${slug}-${seen}`;
  });
  return new Set([...headings, ...named]);
}

for (const path of MARKDOWN) {
  test(path, () => {
    const text = withoutCode(readFileSync(join(ROOT, path), "utf8"));
    const links = [...text.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\[[^\]]+\]:\s*(\S+)|(?:href|src)="([^"]+)"/gm)]
      .map(([, inline, reference, html]) => inline ?? reference ?? html);
    const broken = [];
    for (const link of links) {
      if (/^[a-z][a-z0-9+.-]*:/i.test(link)) continue;
      const [file, anchor] = decodeURIComponent(link).split("#");
      const target = file === "" ? path : normalize(join(dirname(path), file));
      if (target.startsWith("..") || !existsSync(join(ROOT, target))) broken.push(`${link}: there is no ${target}`);
      else if (anchor !== undefined && (statSync(join(ROOT, target)).isDirectory() || !anchorsOf(target).has(anchor))) {
        broken.push(`${link}: ${target} has no heading of that name`);
      }
    }
    assert.deepEqual(broken, []);
  });
}
