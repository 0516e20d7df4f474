// The pages whose code blocks are tested, and all Markdown of the repository, whose links are.

import { execFileSync } from "node:child_process";

import { ROOT } from "./markdown.mjs";

/** Committed or about to be. */
export const MARKDOWN = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], { cwd: ROOT, encoding: "utf8" })
  .trim().split("\n").sort();

const TESTED = [/^[A-Z]+\.md$/, /^client\/README\.md$/, /^docs\/[^/]+\.md$/, /^docs\/guides\//];

/** Examples are run by tests of their own. */
export const PAGES = MARKDOWN.filter((path) => TESTED.some((pattern) => pattern.test(path)));
