// The inline half of Markdown: emphasis, code, links. One pass over the text, every search
// bounded, so that no text can make it slow.

import type { Tree } from "../tree.ts";

const ESCAPABLE = /[!-/:-@[-`{-~]/;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", "#39": "'" };
const ENTITY = /&(amp|lt|gt|quot|apos|nbsp|#39);/y;
const BARE_URL = /https?:\/\/[^\s<>"'`]+/y;
const ANGLE_URL = /<(https?:\/\/[^\s<>]+)>/y;
const TARGET = /\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/y;
const TAGS: Readonly<Record<string, string>> = { "*": "em", "**": "strong", "_": "em", "__": "strong", "~~": "del" };

/** How many marks may be open at once; more are shown as they stand. */
const OPEN_LIMIT = 24;

/** How much of a link may be written before it is shown as the text that it may be after all. */
const HALF_LINK_LIMIT = 300;

/**
 * Parses inline text into nodes.
 *
 * With `open`, the text goes on after its end: marks that wait for their other half are taken as
 * closed there.
 */
export function parseInline(text: string, open = false, links = true): readonly Tree[] {
  return new Scanner(text, open, links).run();
}

/** The address of a link, or null when it is not plain http or https. */
export function safeAddress(address: string): string | null {
  if (!/^https?:\/\//i.test(address)) return null;
  try {
    return new URL(address).href;
  } catch {
    return null;
  }
}

function link(address: string, children: readonly Tree[]): readonly Tree[] {
  const href = safeAddress(address);
  if (href === null) return children;
  const attributes = { href, rel: "noopener noreferrer nofollow", target: "_blank" };
  return [{ tag: "a", attributes, children }];
}

/** An open mark, and what stands behind it so far. */
interface Frame {
  readonly mark: string;
  readonly children: Tree[];
  readonly weak: boolean;
}

/** A run of `*`, `_` or `~`, and what it may do. */
interface Marks {
  readonly character: string;
  readonly run: number;
  readonly opens: boolean;
  readonly closes: boolean;
  readonly weak: boolean;
  /** It stands at the end of a text that goes on. */
  readonly pausing: boolean;
}

class Scanner {
  private readonly text: string;
  private readonly open: boolean;
  private readonly links: boolean;
  private readonly closings: ReadonlyMap<number, number>;
  private at = 0;
  /** Lengths of backtick runs that are known to have no partner further on. */
  private readonly lonely = new Set<number>();
  private readonly result: Frame = { mark: "", children: [], weak: false };
  /** The innermost open mark is last. */
  private readonly frames: Frame[] = [];

  constructor(text: string, open: boolean, links: boolean) {
    this.text = text;
    this.open = open;
    this.links = links;
    this.closings = links ? matchBrackets(text) : new Map();
  }

  run(): readonly Tree[] {
    const { text } = this;
    let plain = 0;
    while (this.at < text.length) {
      const before = this.at;
      const found = this.special(text.charAt(before));
      if (found === null) {
        this.at = before + 1;
        continue;
      }
      this.say(text.slice(plain, before));
      if ("run" in found) this.apply(found);
      else found.forEach((node) => this.push(node));
      plain = this.at;
    }
    this.say(text.slice(plain));
    return this.finish();
  }

  /** What begins here, as nodes or a run of marks, with `at` moved past it; null for text. */
  private special(character: string): readonly Tree[] | Marks | null {
    switch (character) {
      case "\\": return this.escape();
      case "`": return this.code();
      case "*": case "_": case "~": return this.marks(character);
      case "!": return this.links && this.text[this.at + 1] === "[" ? this.image() : null;
      case "[": return this.links ? this.bracket(this.at) : null;
      case "<": return this.links ? this.match(ANGLE_URL, ([, url = ""]) => link(url, [url])) : null;
      case "&": return this.match(ENTITY, ([, name = ""]) => [ENTITIES[name] ?? name]);
      case "h": return this.links ? this.bareUrl() : null;
      case "\n": return this.lineEnd();
      default: return null;
    }
  }

  private match(pattern: RegExp, make: (found: RegExpExecArray) => readonly Tree[]): readonly Tree[] | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) return null;
    this.at += found[0].length;
    return make(found);
  }

  private escape(): readonly Tree[] | null {
    const next = this.text[this.at + 1];
    if (next === "\n") {
      this.at += 2;
      return [{ tag: "br", attributes: {}, children: [] }];
    }
    if (next === undefined || !ESCAPABLE.test(next)) return null;
    this.at += 2;
    return [next];
  }

  private lineEnd(): readonly Tree[] {
    const hard = /(?: {2,})$/.test(this.text.slice(Math.max(0, this.at - 8), this.at));
    this.at += 1;
    return hard ? [{ tag: "br", attributes: {}, children: [] }] : ["\n"];
  }

  private code(): readonly Tree[] {
    const { text } = this;
    const run = runLength(text, this.at);
    const start = this.at + run;
    const close = this.lonely.has(run) ? -1 : findRun(text, start, run);
    if (close < 0) this.lonely.add(run);
    if (close < 0 && !(this.open && run === 1)) {
      this.at = start;
      return [text.slice(start - run, start)];
    }
    const code = text.slice(start, close < 0 ? text.length : close).replaceAll("\n", " ");
    this.at = close < 0 ? text.length : close + run;
    const trimmed = /^ .*\S.* $/.test(code) ? code.slice(1, -1) : code;
    return trimmed === "" ? [] : [{ tag: "code", attributes: {}, children: [trimmed] }];
  }

  private bareUrl(): readonly Tree[] | null {
    if (/\w/.test(this.text[this.at - 1] ?? "")) return null;
    BARE_URL.lastIndex = this.at;
    const found = BARE_URL.exec(this.text);
    if (found === null) return null;
    const url = withoutTail(found[0]);
    if (safeAddress(url) === null) return null;
    this.at += url.length;
    return link(url, [url]);
  }

  /** No picture is fetched from anywhere: it is a link with its description. */
  private image(): readonly Tree[] | null {
    this.at += 1;
    const nodes = this.bracket(this.at);
    if (nodes === null) this.at -= 1;
    return nodes;
  }

  private bracket(start: number): readonly Tree[] | null {
    const { text } = this;
    const close = this.closings.get(start);
    if (close === undefined) return this.halfLink(start, text.length);
    const label = text.slice(start + 1, close);
    TARGET.lastIndex = close + 1;
    const target = TARGET.exec(text);
    if (target === null) {
      const cut = text[close + 1] === "(" && !/[)\n]/.test(text.slice(close + 1, close + 2000));
      return cut ? this.halfLink(start, close) : null;
    }
    this.at = close + 1 + target[0].length;
    return link(target[1] ?? "", parseInline(label, false, false));
  }

  /** A link whose address is still being written shows its label. */
  private halfLink(start: number, close: number): readonly Tree[] | null {
    const { text } = this;
    const tail = text.length - start <= HALF_LINK_LIMIT && !text.slice(start).includes("\n");
    if (!this.open || !tail) return null;
    this.at = text.length;
    return parseInline(text.slice(start + 1, close), true, false);
  }

  /** A run of `*`, `_` or `~`; what it closes and opens is decided in `apply`. */
  private marks(character: string): Marks | null {
    const { text, at } = this;
    const run = runLength(text, at);
    if (character === "~" && run !== 2) return null;
    const before = text[at - 1] ?? " ";
    const after = text[at + run] ?? " ";
    const inWord = isWord(before) && isWord(after);
    const left = !/\s/.test(after) && (isWord(after) || !isWord(before) || !isPunctuation(after));
    const right = !/\s/.test(before) && (isWord(before) || !isWord(after) || !isPunctuation(before));
    const pausing = this.open && at + run === text.length;
    this.at = at + run;
    return {
      character,
      run,
      opens: left && !(character === "_" && inWord),
      closes: right && !(character === "_" && inWord),
      weak: isWord(before),
      pausing,
    };
  }

  private apply(marks: Marks): void {
    let { run } = marks;
    while (run > 0 && marks.closes) {
      const size = this.close(marks.character, run);
      if (size === 0) break;
      run -= size;
    }
    while (run > 0 && marks.opens && !marks.pausing && this.frames.length + 1 < OPEN_LIMIT) {
      const size = Math.min(2, run);
      const mark = marks.character.repeat(size);
      this.frames.push({ mark, children: [], weak: marks.weak });
      run -= size;
    }
    // A mark at the very end may be the first half of anything: it waits unseen.
    if (run > 0 && !marks.pausing) this.push(marks.character.repeat(run));
  }

  /** Closes the innermost mark that fits, and says how many characters that took. */
  private close(character: string, run: number): number {
    const index = this.frames.findLastIndex(({ mark }) => mark.startsWith(character) && mark.length <= run);
    if (index < 0) return 0;
    for (const frame of this.frames.splice(index + 1)) this.flatten(frame);
    const frame = this.frames.pop();
    if (frame === undefined) return 0;
    this.push(marked(frame));
    return frame.mark.length;
  }

  /** Turns a mark that was open back into the characters it was. */
  private flatten({ mark, children }: Frame): void {
    this.push(mark);
    for (const child of children) this.push(child);
  }

  private finish(): readonly Tree[] {
    for (let frame = this.frames.pop(); frame !== undefined; frame = this.frames.pop()) {
      if (!this.open || frame.weak) this.flatten(frame);
      else if (frame.children.length > 0) this.push(marked(frame));
    }
    return this.result.children;
  }

  private say(text: string): void {
    if (text !== "") this.push(text);
  }

  /** Adds a node; neighbouring texts become one. */
  private push(node: Tree): void {
    const { children } = this.frames.at(-1) ?? this.result;
    const last = children.at(-1);
    if (typeof node === "string" && typeof last === "string") children[children.length - 1] = last + node;
    else children.push(node);
  }
}

const marked = ({ mark, children }: Frame): Tree => ({ tag: TAGS[mark] ?? "em", attributes: {}, children });

const isWord = (character: string): boolean => /[\p{L}\p{N}]/u.test(character);
const isPunctuation = (character: string): boolean => /[\p{P}\p{S}]/u.test(character);

/** A bare address without the punctuation of the sentence around it. */
function withoutTail(address: string): string {
  let url = address;
  for (;;) {
    const last = url.slice(-1);
    const loose = last === ")" && url.split(")").length > url.split("(").length;
    if (last === "" || (!loose && !".,:;!?*_~]".includes(last))) return url;
    url = url.slice(0, -1);
  }
}

function runLength(text: string, at: number): number {
  let end = at + 1;
  while (text[end] === text[at]) end += 1;
  return end - at;
}

/** Where the next run of exactly `length` backticks begins, or -1. */
function findRun(text: string, from: number, length: number): number {
  let at = text.indexOf("`", from);
  while (at >= 0) {
    const run = runLength(text, at);
    if (run === length) return at;
    at = text.indexOf("`", at + run);
  }
  return -1;
}

/** Which `]` belongs to which `[`. */
function matchBrackets(text: string): ReadonlyMap<number, number> {
  const closings = new Map<number, number>();
  const waiting: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === "\\") at += 1;
    else if (character === "[") waiting.push(at);
    else if (character === "]") {
      const start = waiting.pop();
      if (start !== undefined) closings.set(start, at);
    }
  }
  return closings;
}
