// Markdown as a tree: what models write, whole and while it is being written.

import { expect, test } from "vitest";

import { safeAddress } from "../../studio/markdown/inline.ts";
import { growingDocument, parse, plainText } from "../../studio/markdown/markdown.ts";
import type { ParseOptions } from "../../studio/markdown/markdown.ts";
import type { Tree } from "../../studio/tree.ts";


const outline = (node: Tree): string => (typeof node === "string" ? node : `<${node.tag}>${node.children.map(outline).join("")}</${node.tag}>`);
const html = (text: string, options?: ParseOptions): string => parse(text, options).map(outline).join("");

test("headings, paragraphs, lists, quotes, code and rules", () => {
  expect(html("# Title #\n\nOne\ntwo\n\n---")).toBe("<h1>Title</h1><p>One\ntwo</p><hr></hr>");
  expect(html("- a\n- b\n  - c\n\n1. x\n2. y")).toBe("<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><ol><li>x</li><li>y</li></ol>");
  expect(html("- a\n\n- b")).toBe("<ul><li><p>a</p></li><li><p>b</p></li></ul>");
  expect(html("> q\n> - x")).toBe("<blockquote><p>q</p><ul><li>x</li></ul></blockquote>");
  expect(html("```js\na < b\n\n```\nafter")).toBe("<pre><code>a < b\n</code></pre><p>after</p>");
  expect(html("| a | b |\n|---|--:|\n| 1 | 2 |")).toBe(
    "<div><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table></div>",
  );
});

test("emphasis, code and escapes", () => {
  expect(html("**a *b* c** `d*` \\*e\\*")).toBe("<p><strong>a <em>b</em> c</strong> <code>d*</code> *e*</p>");
  expect(html("***both*** snake_case_name 2 * 3 * 4")).toBe("<p><strong><em>both</em></strong> snake_case_name 2 * 3 * 4</p>");
  expect(html("**not closed")).toBe("<p>**not closed</p>");
});

test("markup in a text stays text", () => {
  const nodes = parse("<script>alert(1)</script> <img src=x onerror=alert(1)>");
  expect(nodes.map(outline).join("")).toBe("<p><script>alert(1)</script> <img src=x onerror=alert(1)></p>");
  expect(nodes[0]?.children.length).toBe(1);
});

test("links lead to http and https only", () => {
  const links: (string | undefined)[] = [];
  const collect = (node: Tree): void => {
    if (typeof node === "string") return;
    if (node.tag === "a") links.push(node.attributes.href);
    node.children.forEach(collect);
  };
  parse(`[a](https://a.example/x_(y)) [b](javascript:alert(1)) [c](JaVaScRiPt:alert(1)) [d](data:text/html,x)
[e](//evil.example) [f](/path) [g](vbscript:x) <https://h.example> https://i.example/j. ![k](http://k.example/k.png)
[l](java\nscript:alert(1)) [m](http://)`).forEach(collect);
  expect(links).toEqual([
    "https://a.example/x_(y)", "https://h.example/", "https://i.example/j", "http://k.example/k.png",
  ]);
  expect(safeAddress(" javascript:alert(1)")).toBeNull();
});

test("only known tags and attributes come out of any text", () => {
  const tags = new Set(["h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "pre", "code",
    "hr", "br", "em", "strong", "del", "a", "div", "table", "thead", "tbody", "tr", "th", "td"]);
  const attributes = new Set(["href", "rel", "target", "class", "start", "data-language"]);
  const check = (node: Tree): void => {
    if (typeof node === "string") return;
    expect(tags).toContain(node.tag);
    for (const name of Object.keys(node.attributes)) expect(attributes).toContain(name);
    node.children.forEach(check);
  };
  for (let seed = 1; seed <= 300; seed += 1) parse(scribble(seed)).forEach(check);
});

test("a text that grows piece by piece ends as the whole text does", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const text = scribble(seed);
    const random = generator(seed);
    const growing = growingDocument();
    let end = 0;
    while (end < text.length) {
      end = Math.min(text.length, end + 1 + Math.floor(random() * 9));
      growing.update(text.slice(0, end), { open: true });
    }
    expect(growing.update(text).map(strip), `seed ${seed}: ${JSON.stringify(text)}`).toEqual(parse(text).map(strip));
  }
});

test("what stands in front keeps its identity while the text grows", () => {
  const growing = growingDocument();
  const text = "# One\n\nTwo\n\nThree\n\nFour";
  const before = growing.update(text, { open: true });
  const after = growing.update(`${text} and more`, { open: true });
  expect(after[0]).toBe(before[0]);
  expect(after[1]).toBe(before[1]);
});

test("while it is written, half a mark is not shown", () => {
  expect(html("Some **bol", { open: true })).toBe("<p>Some <strong>bol</strong></p>");
  expect(html("Some **", { open: true })).toBe("<p>Some </p>");
  expect(html("a `co", { open: true })).toBe("<p>a <code>co</code></p>");
  expect(html("see [the lin", { open: true })).toBe("<p>see the lin</p>");
  expect(html("see [the link](https://exa", { open: true })).toBe("<p>see the link</p>");
  expect(html("done\n\n##", { open: true })).toBe("<p>done</p>");
  expect(html("done\n\n-", { open: true })).toBe("<p>done</p>");
  expect(html("done\n\n| a | b", { open: true })).toBe("<p>done</p>");
  expect(html("2*3", { open: true })).toBe("<p>2*3</p>");
});

test("no text takes long: a parser that looks twice at everything would not come to an end", () => {
  const size = 40_000;
  const nasty = ["*", "_", "[", "`", "![", "> ", "- ", "*a ", "[a](", "a\n", "&", "<https://", "https://", "~~",
    "\\", "|", "`` ` ", "**a*", "# ", "|a", "1. ", "((", "    "].map((unit) => unit.repeat(size / unit.length));
  nasty.push(`${"|a".repeat(size / 2)}\n${"|-".repeat(size / 2)}`, `# ${" ".repeat(size)}x`, `[a](${"(".repeat(size)}`);
  for (const text of nasty) {
    parse(text);
    parse(text, { open: true });
  }
});

test("the words of a tree are the reader's words", () => {
  expect(plainText(parse("**a** [b](https://x.example) `c`"))).toBe("a b c");
});

/** A node without where it stood in the text. */
const strip = (node: Tree): Tree => (
  typeof node === "string" ? node : { tag: node.tag, attributes: node.attributes, children: node.children.map(strip) }
);

/** A text made of everything that means something, in no order. */
function scribble(seed: number): string {
  const random = generator(seed);
  const units = ["# ", "## ", "- ", "* ", "1. ", "2) ", "> ", "```", "~~~\n", "---", "**", "*", "_", "`", "[a](", ")",
    "https://x.example/", "|", "|---|", "\n", "\n", "\n\n", "\n\n", "  ", "    ", "word", "two words", "🌊", "<b>",
    "&amp;", "\\", "![", "]", "~~", "\t"];
  const count = 5 + Math.floor(random() * 60);
  return Array.from({ length: count }, () => units[Math.floor(random() * units.length)]).join("");
}

function generator(seed: number): () => number {
  let state = seed * 2_654_435_761 % 2 ** 32;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}
