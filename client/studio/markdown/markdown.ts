// Markdown as models write it, parsed into a plain tree of elements and strings.
//
// There is no way from here to markup: the tree only ever holds tags that this file and
// `inline.ts` name, and everything else is text. Raw HTML stays visible as what it is.

import type { Tree, TreeElement } from "../tree.ts";
import { parseInline } from "./inline.ts";

const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})(?=[ \t]|$)/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:([ \t]+)(.*))?$/;
const TABLE_RULE = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const BLANK = /^[ \t]*$/;
/** What may yet become a list, a heading, a fence or a rule. */
const HALF_MARK = /^[ >]*(?:[-*+_]+|#{1,6}|\d{1,9}[.)]?|`{1,3}|~{1,3}|\|) ?$/;

/** A block, and the line that it began in. */
interface Block extends TreeElement {
  readonly line: number;
}

/** What a text that is still being written is parsed with. */
export interface ParseOptions {
  readonly open?: boolean;
}

/** How deep quotes and lists may nest; deeper ones are shown as text. */
const DEPTH_LIMIT = 8;

/**
 * Parses a whole text.
 *
 * With `open`, the text is still being written: a mark at its very end that waits for its other
 * half (`**bol`) is taken as if that half were there, so that nothing flickers when it comes.
 */
export function parse(text: string, { open = false }: ParseOptions = {}): readonly TreeElement[] {
  return blocks(linesOf(text, open), 0, open);
}

/** A parser for a text that grows. */
export interface GrowingDocument {
  update(text: string, options?: ParseOptions): readonly TreeElement[];
}

/**
 * A parser for a text that grows. Nodes that more text cannot change keep their identity from one
 * `update` to the next; only the last two are parsed again (a list may still swallow the line
 * after it).
 */
export function growingDocument(): GrowingDocument {
  let source = "";
  let nodes: readonly Block[] = [];
  let starts: readonly number[] = [];
  return {
    update(text, { open = false } = {}) {
      const kept = text.startsWith(source) ? Math.max(0, nodes.length - 2) : 0;
      const from = kept === 0 ? 0 : (starts[kept] ?? 0);
      const lines = linesOf(text.slice(from), open);
      const fresh = blocks(lines, 0, open);
      const offsets = lineOffsets(lines, from);
      source = text;
      starts = [...starts.slice(0, kept), ...fresh.map(({ line }) => offsets[line] ?? from)];
      nodes = [...nodes.slice(0, kept), ...fresh];
      return nodes;
    },
  };
}

/** The words of a tree, as a reader sees them. */
export function plainText(nodes: readonly Tree[]): string {
  return nodes.map((node) => (typeof node === "string" ? node : plainText(node.children))).join("");
}

/** The lines of a text, without a last one that is only half a mark yet. */
function linesOf(text: string, open: boolean): string[] {
  const lines = text.split("\n");
  if (open && HALF_MARK.test(lines.at(-1) ?? "")) lines.pop();
  return lines;
}

function lineOffsets(lines: readonly string[], from: number): number[] {
  let at = from;
  return lines.map((line) => {
    const start = at;
    at += line.length + 1;
    return start;
  });
}

const element = (
  tag: string, children: readonly Tree[], attributes: Readonly<Record<string, string>> = {},
): TreeElement => ({ tag, attributes, children });

/** A line, or nothing behind the last one. */
const at = (lines: readonly string[], line: number): string => lines[line] ?? "";

/** What was parsed, and the line after it. */
type Parsed<Node = TreeElement> = readonly [Node, number];

/** Parses lines into blocks; each remembers the line it began in. */
function blocks(lines: readonly string[], depth: number, open: boolean): Block[] {
  const found: Block[] = [];
  let line = 0;
  while (line < lines.length) {
    if (BLANK.test(at(lines, line))) {
      line += 1;
      continue;
    }
    const [node, next] = block(lines, line, depth, open);
    if (node !== null) found.push({ ...node, line });
    line = next;
  }
  return found;
}

function block(lines: readonly string[], line: number, depth: number, open: boolean): Parsed<TreeElement | null> {
  const text = at(lines, line);
  if (FENCE.test(text)) return fence(lines, line);
  if (HEADING.test(text)) return heading(lines, line, open);
  if (RULE.test(text)) return [element("hr", []), line + 1];
  if (depth < DEPTH_LIMIT && QUOTE.test(text)) return quote(lines, line, depth, open);
  if (depth < DEPTH_LIMIT && ITEM.test(text)) return list(lines, line, depth, open);
  if (text.includes("|") && TABLE_RULE.test(lines[line + 1] ?? "")) return table(lines, line);
  return paragraph(lines, line, depth, open);
}

/** Whether the text still grows in this very line. */
const isTail = (lines: readonly string[], line: number, open: boolean): boolean => open && line === lines.length - 1;

function fence(lines: readonly string[], line: number): Parsed {
  const [, marks = "```", language = ""] = FENCE.exec(at(lines, line)) ?? [];
  const closing = new RegExp(`^ {0,3}\\${marks.charAt(0)}{${marks.length},}[ \\t]*$`);
  let end = line + 1;
  while (end < lines.length && !closing.test(at(lines, end))) end += 1;
  const code = lines.slice(line + 1, end).join("\n");
  const attributes: Record<string, string> = language === "" ? {} : { "data-language": language };
  return [element("pre", [element("code", [code], attributes)]), end + 1];
}

function heading(lines: readonly string[], line: number, open: boolean): Parsed {
  const [mark = "", signs = "#"] = HEADING.exec(at(lines, line)) ?? [];
  const text = withoutClosingMarks(at(lines, line).slice(mark.length).trim());
  return [element(`h${signs.length}`, parseInline(text, isTail(lines, line, open))), line + 1];
}

/** `Title ##` is `Title`, but `C#` stays. */
function withoutClosingMarks(text: string): string {
  let end = text.length;
  while (text[end - 1] === "#") end -= 1;
  return end === 0 || /[ \t]/.test(text.charAt(end - 1)) ? text.slice(0, end).trimEnd() : text;
}

function quote(lines: readonly string[], line: number, depth: number, open: boolean): Parsed {
  const inner: string[] = [];
  let end = line;
  for (; end < lines.length && QUOTE.test(at(lines, end)); end += 1) {
    inner.push(QUOTE.exec(at(lines, end))?.[1] ?? "");
  }
  return [element("blockquote", blocks(inner, depth + 1, open && end === lines.length)), end];
}

function list(lines: readonly string[], line: number, depth: number, open: boolean): Parsed {
  const marker = markerOf(at(lines, line));
  const ordered = /\d/.test(marker);
  const items: Block[][] = [];
  let loose = false;
  let end = line;
  while (end < lines.length && startsItem(at(lines, end), ordered)) {
    const [inner, next, gap] = item(lines, end);
    const more = next < lines.length && startsItem(at(lines, next), ordered);
    loose ||= (gap && more) || inner.some((text, index) => BLANK.test(text) && index < inner.length - 1);
    items.push(blocks(inner, depth + 1, open && next >= lines.length));
    end = next;
  }
  const children = items.map((nodes) => element("li", loose ? nodes : nodes.flatMap(unwrap)));
  const start = ordered ? Number.parseInt(marker, 10) : 1;
  const attributes: Record<string, string> = start === 1 ? {} : { start: String(start) };
  return [element(ordered ? "ol" : "ul", children, attributes), end];
}

/** The mark that an item begins with, or nothing. */
const markerOf = (text: string): string => ITEM.exec(text)?.[2] ?? "";

/** Whether a line begins an item of this sort of list. */
function startsItem(text: string, ordered: boolean): boolean {
  const marker = RULE.test(text) ? "" : markerOf(text);
  return marker !== "" && /\d/.test(marker) === ordered;
}

/** One item: its lines without their indent, the line after it, and whether blank lines follow. */
function item(lines: readonly string[], line: number): readonly [string[], number, boolean] {
  const [, indent = "", marker = "", gap = "", first = ""] = ITEM.exec(at(lines, line)) ?? [];
  const width = indent.length + marker.length + (gap.length > 4 ? 1 : Math.max(1, gap.length));
  const inner = [first];
  let end = line + 1;
  let blank = 0;
  for (; end < lines.length; end += 1) {
    const text = at(lines, end).replaceAll("\t", "    ");
    if (BLANK.test(text)) {
      blank += 1;
      continue;
    }
    const indented = text.search(/\S/) >= Math.min(width, 2);
    if (!indented && (blank > 0 || interrupts(text) || ITEM.test(text))) break;
    inner.push(...new Array<string>(blank).fill(""), text.slice(Math.min(width, text.search(/\S/))));
    blank = 0;
  }
  return [inner, end, blank > 0];
}

/** A tight list shows its items without paragraphs. */
const unwrap = (node: TreeElement): readonly Tree[] => (node.tag === "p" ? node.children : [node]);

function table(lines: readonly string[], line: number): Parsed {
  const aligns = cells(at(lines, line + 1)).map(alignment);
  const row = (text: string, tag: string): TreeElement => {
    const found = cells(text);
    return element("tr", aligns.map((align, column) => {
      const children = parseInline(found[column] ?? "", false);
      return element(tag, children, align === "" ? {} : { class: align });
    }));
  };
  let end = line + 2;
  const body: TreeElement[] = [];
  for (; end < lines.length && at(lines, end).includes("|"); end += 1) body.push(row(at(lines, end), "td"));
  const head = element("thead", [row(at(lines, line), "th")]);
  const parts = body.length > 0 ? [head, element("tbody", body)] : [head];
  return [element("div", [element("table", parts)], { class: "table" }), end];
}

const cells = (text: string): string[] => text.trim().replace(/^\||(?<!\\)\|$/g, "").split(/(?<!\\)\|/)
  .map((cell) => cell.trim().replaceAll("\\|", "|"));

function alignment(mark: string): string {
  if (!mark.endsWith(":")) return "";
  return mark.startsWith(":") ? "center" : "right";
}

/** Whether a line ends a paragraph although no blank line stands between. */
const interrupts = (text: string): boolean => FENCE.test(text) || HEADING.test(text) || RULE.test(text)
  || QUOTE.test(text);

function paragraph(lines: readonly string[], line: number, depth: number, open: boolean): Parsed<TreeElement | null> {
  let end = line + 1;
  for (; end < lines.length && !BLANK.test(at(lines, end)); end += 1) {
    if (interrupts(at(lines, end))) break;
    const found = depth < DEPTH_LIMIT ? ITEM.exec(at(lines, end)) : null;
    if (found?.[4] && /^(?:[-*+]|1[.)])$/.test(found[2] ?? "")) break;
    if (at(lines, end).includes("|") && TABLE_RULE.test(lines[end + 1] ?? "")) break;
  }
  const tail = open && end === lines.length;
  const written = lines.slice(line, end).map((text) => text.trimStart());
  // The first line of a table cannot be told from text before the second is there.
  while (tail && written.at(-1)?.startsWith("|")) written.pop();
  const children = parseInline(written.join("\n").trimEnd(), tail);
  return [children.length > 0 ? element("p", children) : null, end];
}
