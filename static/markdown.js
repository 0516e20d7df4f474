// Markdown as models write it, parsed into a plain tree: `{tag, attributes, children}` and strings.
//
// There is no way from here to markup: the tree only ever holds tags that this file and
// `inline.js` name, and everything else is text. Raw HTML stays visible as what it is.

import { parseInline } from "./inline.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})(?=[ \t]|$)/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:([ \t]+)(.*))?$/;
const TABLE_RULE = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const BLANK = /^[ \t]*$/;
/** What may yet become a list, a heading, a fence or a rule. */
const HALF_MARK = /^[ >]*(?:[-*+_]+|#{1,6}|\d{1,9}[.)]?|`{1,3}|~{1,3}|\|) ?$/;

/** How deep quotes and lists may nest; deeper ones are shown as text. */
const DEPTH_LIMIT = 8;

/**
 * Parses a whole text.
 *
 * With `open`, the text is still being written: a mark at its very end that waits for its other
 * half (`**bol`) is taken as if that half were there, so that nothing flickers when it comes.
 */
export function parse(text, { open = false } = {}) {
  return blocks(linesOf(text, open), 0, open);
}

/**
 * A parser for a text that grows. Nodes that more text cannot change keep their identity from one
 * `update` to the next; only the last two are parsed again (a list may still swallow the line
 * after it).
 */
export function growingDocument() {
  let source = "";
  let nodes = [];
  let starts = [];
  return {
    update(text, { open = false } = {}) {
      const kept = text.startsWith(source) ? Math.max(0, nodes.length - 2) : 0;
      const from = kept === 0 ? 0 : starts[kept];
      const lines = linesOf(text.slice(from), open);
      const fresh = blocks(lines, 0, open);
      const offsets = lineOffsets(lines, from);
      source = text;
      starts = [...starts.slice(0, kept), ...fresh.map(({ line }) => offsets[line])];
      nodes = [...nodes.slice(0, kept), ...fresh];
      return nodes;
    },
  };
}

/** The words of a tree, as a reader sees them. */
export function plainText(nodes) {
  return nodes.map((node) => (typeof node === "string" ? node : plainText(node.children))).join("");
}

/** The lines of a text, without a last one that is only half a mark yet. */
function linesOf(text, open) {
  const lines = text.split("\n");
  if (open && HALF_MARK.test(lines.at(-1))) lines.pop();
  return lines;
}

function lineOffsets(lines, from) {
  let at = from;
  return lines.map((line) => {
    const start = at;
    at += line.length + 1;
    return start;
  });
}

const element = (tag, children, attributes = {}) => ({ tag, attributes, children });

/** Parses lines into blocks; each remembers the line it began in. */
function blocks(lines, depth, open) {
  const found = [];
  let line = 0;
  while (line < lines.length) {
    if (BLANK.test(lines[line])) {
      line += 1;
      continue;
    }
    const [node, next] = block(lines, line, depth, open);
    if (node !== null) found.push({ ...node, line });
    line = next;
  }
  return found;
}

function block(lines, line, depth, open) {
  const text = lines[line];
  if (FENCE.test(text)) return fence(lines, line);
  if (HEADING.test(text)) return heading(lines, line, open);
  if (RULE.test(text)) return [element("hr", []), line + 1];
  if (depth < DEPTH_LIMIT && QUOTE.test(text)) return quote(lines, line, depth, open);
  if (depth < DEPTH_LIMIT && ITEM.test(text)) return list(lines, line, depth, open);
  if (text.includes("|") && TABLE_RULE.test(lines[line + 1] ?? "")) return table(lines, line);
  return paragraph(lines, line, depth, open);
}

/** Whether the text still grows in this very line. */
const isTail = (lines, line, open) => open && line === lines.length - 1;

function fence(lines, line) {
  const [, marks, language] = FENCE.exec(lines[line]);
  const closing = new RegExp(`^ {0,3}\\${marks[0]}{${marks.length},}[ \\t]*$`);
  let end = line + 1;
  while (end < lines.length && !closing.test(lines[end])) end += 1;
  const code = lines.slice(line + 1, end).join("\n");
  const attributes = language ? { "data-language": language } : {};
  return [element("pre", [element("code", [code], attributes)]), end + 1];
}

function heading(lines, line, open) {
  const marks = HEADING.exec(lines[line]);
  const text = withoutClosingMarks(lines[line].slice(marks[0].length).trim());
  return [element(`h${marks[1].length}`, parseInline(text, isTail(lines, line, open))), line + 1];
}

/** `Title ##` is `Title`, but `C#` stays. */
function withoutClosingMarks(text) {
  let end = text.length;
  while (text[end - 1] === "#") end -= 1;
  return end === 0 || /[ \t]/.test(text[end - 1]) ? text.slice(0, end).trimEnd() : text;
}

function quote(lines, line, depth, open) {
  const inner = [];
  let end = line;
  for (; end < lines.length && QUOTE.test(lines[end]); end += 1) {
    inner.push(QUOTE.exec(lines[end])[1]);
  }
  return [element("blockquote", blocks(inner, depth + 1, open && end === lines.length)), end];
}

function list(lines, line, depth, open) {
  const ordered = /\d/.test(ITEM.exec(lines[line])[2]);
  const items = [];
  let loose = false;
  let end = line;
  while (end < lines.length && startsItem(lines[end], ordered)) {
    const [inner, next, gap] = item(lines, end);
    const more = next < lines.length && startsItem(lines[next], ordered);
    loose ||= (gap && more) || inner.some((text, index) => BLANK.test(text) && index < inner.length - 1);
    items.push(blocks(inner, depth + 1, open && next >= lines.length));
    end = next;
  }
  const children = items.map((nodes) => element("li", loose ? nodes : nodes.flatMap(unwrap)));
  const start = ordered ? Number.parseInt(ITEM.exec(lines[line])[2], 10) : 1;
  return [element(ordered ? "ol" : "ul", children, start === 1 ? {} : { start: String(start) }), end];
}

/** Whether a line begins an item of this sort of list. */
function startsItem(text, ordered) {
  if (RULE.test(text)) return false;
  const found = ITEM.exec(text);
  return found !== null && /\d/.test(found[2]) === ordered;
}

/** One item: its lines without their indent, the line after it, and whether blank lines follow. */
function item(lines, line) {
  const [, indent, marker, gap = "", first = ""] = ITEM.exec(lines[line]);
  const width = indent.length + marker.length + (gap.length > 4 ? 1 : Math.max(1, gap.length));
  const inner = [first];
  let end = line + 1;
  let blank = 0;
  for (; end < lines.length; end += 1) {
    const text = lines[end].replaceAll("\t", "    ");
    if (BLANK.test(text)) {
      blank += 1;
      continue;
    }
    const indented = text.search(/\S/) >= Math.min(width, 2);
    if (!indented && (blank > 0 || interrupts(text) || ITEM.test(text))) break;
    inner.push(...Array(blank).fill(""), text.slice(Math.min(width, text.search(/\S/))));
    blank = 0;
  }
  return [inner, end, blank > 0];
}

/** A tight list shows its items without paragraphs. */
const unwrap = (node) => (node.tag === "p" ? node.children : [node]);

function table(lines, line) {
  const aligns = cells(lines[line + 1]).map(alignment);
  const row = (text, tag) => {
    const found = cells(text);
    return element("tr", aligns.map((align, column) => {
      const children = parseInline(found[column] ?? "", false);
      return element(tag, children, align ? { class: align } : {});
    }));
  };
  let end = line + 2;
  const body = [];
  for (; end < lines.length && lines[end].includes("|"); end += 1) body.push(row(lines[end], "td"));
  const head = element("thead", [row(lines[line], "th")]);
  const parts = body.length > 0 ? [head, element("tbody", body)] : [head];
  return [element("div", [element("table", parts)], { class: "table" }), end];
}

const cells = (text) => text.trim().replace(/^\||(?<!\\)\|$/g, "").split(/(?<!\\)\|/)
  .map((cell) => cell.trim().replaceAll("\\|", "|"));

function alignment(mark) {
  if (!mark.endsWith(":")) return "";
  return mark.startsWith(":") ? "center" : "right";
}

/** Whether a line ends a paragraph although no blank line stands between. */
const interrupts = (text) => FENCE.test(text) || HEADING.test(text) || RULE.test(text)
  || QUOTE.test(text);

function paragraph(lines, line, depth, open) {
  let end = line + 1;
  for (; end < lines.length && !BLANK.test(lines[end]); end += 1) {
    if (interrupts(lines[end])) break;
    const found = depth < DEPTH_LIMIT ? ITEM.exec(lines[end]) : null;
    if (found !== null && found[4] && /^(?:[-*+]|1[.)])$/.test(found[2])) break;
    if (lines[end].includes("|") && TABLE_RULE.test(lines[end + 1] ?? "")) break;
  }
  const tail = open && end === lines.length;
  const written = lines.slice(line, end).map((text) => text.trimStart());
  // The first line of a table cannot be told from text before the second is there.
  while (tail && written.at(-1)?.startsWith("|")) written.pop();
  const children = parseInline(written.join("\n").trimEnd(), tail);
  return [children.length > 0 ? element("p", children) : null, end];
}
