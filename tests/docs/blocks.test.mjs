// Every code block of README, PROTOCOL and the guides does what the page says, or the page says why it is
// not tried.

import assert from "node:assert/strict";
import { test } from "node:test";

import { read } from "./markdown.mjs";
import { LANGUAGES, Page } from "./page.mjs";
import { PAGES } from "./pages.mjs";

for (const path of PAGES) {
  const page = read(path);
  if (page.blocks.length === 0) continue;
  test(path, async (context) => {
    const opened = await Page.open(page);
    try {
      for (const block of page.blocks) {
        const why = block.directives["not run"];
        const name = `${path}:${block.line} ${block.language}`;
        await context.test(name, { skip: why }, async () => {
          assert.equal(block.directives.unknown, undefined, "a comment above it that no test knows");
          assert.ok(block.language in LANGUAGES, "a block that is neither run nor says why not");
          await opened.follow(block);
        });
      }
    } finally {
      await opened.close();
    }
  });
}
