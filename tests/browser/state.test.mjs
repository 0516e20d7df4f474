// The pure half of the page: the fold over events, and Markdown as a tree. No browser, no server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { safeAddress } from "../../static/inline.js";
import { growingDocument, parse, plainText } from "../../static/markdown.js";
import {
  costOf, countScalars, initialState, isMedia, narrationProgress, overallPercent, pictures, reduce,
  skipScalars, wantsVoice, withJob,
} from "../../static/state.js";
import { costWords, makingOf, options, outcome, stage } from "../../static/words.js";

// ── The fold ──

const content = (id, offset, text, attempt = 1) => ({ id, type: "content", data: { index: 0, offset, text, attempt } });
const status = (id, name, attempt) => ({ id, type: "status", data: { status: name, attempt } });
const progress = (id, percent, stage, more = {}) => ({ id, type: "progress", data: { percent, stage, ...more } });
const fold = (events, state = initialState()) => events.reduce(reduce, state);

const narrated = {
  id: 90,
  type: "tts_completed",
  data: { artifact_id: "file_1", url: "/voice", duration_ms: 4_000, voice: "alloy" },
};

test("pieces follow each other", () => {
  const state = fold([status(1, "running", 1), content(2, 0, "Hello "), content(3, 6, "world")]);
  assert.equal(state.text, "Hello world");
  assert.equal(state.length, 11);
});

test("an event that comes twice changes nothing", () => {
  const events = [status(1, "running", 1), content(2, 0, "Hello "), content(3, 6, "world")];
  const once = fold(events);
  assert.equal(fold(events, once), once);
});

test("a piece that is known already is not repeated, whatever its id", () => {
  const state = fold([content(1, 0, "Hello "), content(2, 0, "Hello "), content(3, 4, "o world")]);
  assert.equal(state.text, "Hello world");
});

test("a piece that comes before its predecessor waits for it", () => {
  const early = fold([content(1, 0, "a"), content(2, 2, "c")]);
  assert.equal(early.text, "a");
  assert.equal(fold([content(3, 1, "b")], early).text, "abc");
});

test("offsets count Unicode scalar values, not UTF-16 units", () => {
  const state = fold([content(1, 0, "🌊🌊"), content(2, 1, "🌊 water"), content(3, 8, "!")]);
  assert.equal(state.text, "🌊🌊 water!");
  assert.equal(countScalars("a🌊b\ud83c"), 4);
  assert.equal(skipScalars("🌊🌊 x", 1), "🌊 x");
});

test("pieces without an offset, as external workers send them, follow each other", () => {
  const piece = (id, text) => ({ id, type: "content", data: { text } });
  assert.equal(fold([piece(1, "a"), piece(2, "b")]).text, "ab");
});

test("a higher attempt starts over, and pieces of the lower one are refused", () => {
  const state = fold([
    status(1, "running", 1), content(2, 0, "old text"), progress(3, 60, "writing"), narrated,
    status(100, "running", 2), content(101, 0, "new", 2), content(102, 3, "old", 1),
  ]);
  assert.equal(state.text, "new");
  assert.equal(state.attempt, 2);
  assert.equal(state.narration, null);
  assert.equal(overallPercent(state), 0);
  assert.ok(state.revision > initialState().revision);
});

test("progress never falls within an attempt and leaves 100 to the result", () => {
  const state = fold([progress(1, 40, "writing"), progress(2, 30, "writing"), progress(3, 100, "finishing")]);
  assert.equal(overallPercent(state), 99);
  assert.equal(overallPercent(fold([narrated], state)), 100);
  assert.equal(overallPercent(fold([{ id: 95, type: "completed", data: {} }], state)), 100);
});

test("a failed job keeps its text and never shows 100", () => {
  const state = fold([content(1, 0, "half"), progress(2, 99, "finishing"), { id: 3, type: "failed", data: { code: "x" } }]);
  assert.equal(state.text, "half");
  assert.equal(overallPercent(state), 99);
  assert.deepEqual(state.end, { type: "failed", data: { code: "x" } });
});

test("the narration is at 100 the moment tts_completed comes, before completed", () => {
  const making = fold([progress(1, 70, "narrating", { part: 2, parts: 4 })]);
  assert.deepEqual(narrationProgress(making), { phase: "making", percent: 50, part: 2, parts: 4 });
  const last = fold([progress(2, 90, "narrating", { part: 4, parts: 4 })], making);
  assert.equal(narrationProgress(last).percent, 99);
  const ready = fold([narrated], last);
  assert.equal(narrationProgress(ready).percent, 100);
  assert.equal(ready.end, null);
});

test("a job that ended without a narration does not promise one", () => {
  const job = withJob(initialState(), { kind: "blog", input: { voiceover: true } });
  assert.equal(wantsVoice(job), true);
  assert.equal(narrationProgress(job).phase, "waiting");
  assert.equal(narrationProgress(fold([{ id: 1, type: "canceled", data: {} }], job)).phase, "absent");
});

test("a gap and a snapshot replace what was there, even by a lower id", () => {
  const before = fold([content(500, 0, "of another epoch")]);
  const snapshot = {
    id: 40,
    type: "snapshot",
    data: {
      kind: "blog", status: "running", attempt: 1, text: "🌊 so far", text_offset: 0,
      artifacts: [], progress: { percent: 30, stage: "writing" },
    },
  };
  const state = fold([{ id: null, type: "gap", data: {} }, snapshot, content(41, 8, "!")], before);
  assert.equal(state.text, "🌊 so far!");
  assert.equal(state.lastId, 41);
});

test("a gap that is followed by history instead starts over", () => {
  const before = fold([content(500, 0, "of another epoch")]);
  const state = fold([{ id: null, type: "gap", data: {} }, content(40, 0, "again")], before);
  assert.equal(state.text, "again");
});

test("a trimmed snapshot goes on at its own offset", () => {
  const data = { status: "running", attempt: 1, text: "tail", text_offset: 1_000, artifacts: [] };
  const state = fold([{ id: 9, type: "snapshot", data }, content(10, 1_004, " more")]);
  assert.equal(state.text, "tail more");
});

test("a snapshot of a finished job shows its narration", () => {
  const voice = { id: "file_1", kind: "voice", url: "/voice", duration_ms: 5 };
  const data = { status: "completed", attempt: 1, text: "", artifacts: [voice] };
  const state = fold([{ id: 9, type: "snapshot", data }]);
  assert.equal(state.narration.url, "/voice");
  assert.equal(state.end.type, "completed");
});

test("nonsense from an external worker breaks nothing", () => {
  for (const data of [null, 7, "text", [], { text: 7 }, { text: null, offset: "x" }, { artifact: 3 }]) {
    for (const type of ["content", "progress", "artifact_ready", "status", "tts_completed", "own.name"]) {
      assert.equal(typeof fold([{ id: 1, type, data }]).text, "string", `${type} ${JSON.stringify(data)}`);
    }
  }
});

// ── Videos and images ──

const clip = {
  id: "file_1", kind: "video", media_type: "video/mp4", url: "/clip", bytes: 26_009,
  width: 640, height: 360, duration_ms: 3_000,
};
const asked = withJob(initialState(), {
  kind: "video", model: "wan-2-5-t2v", input: { prompt: "a kite" }, hold: 500_000, created_at: 1,
});

test("a video is folded with its size and length, and a new attempt drops it", () => {
  const made = fold([status(1, "running", 1), { id: 2, type: "artifact_ready", data: { artifact: clip } }], asked);
  assert.ok(isMedia(made) && !wantsVoice(made));
  assert.deepEqual(pictures(made), [clip]);
  assert.equal(overallPercent(made), 0);
  assert.deepEqual(pictures(fold([status(3, "running", 2)], made)), []);
});

test("credits are held until the end, then cost or given back", () => {
  const words = (state) => costWords(costOf(state));
  const running = fold([status(1, "running", 1)], asked);
  const end = (type, data) => fold([{ id: 9, type, data }], running);
  assert.equal(words(initialState()), "");
  assert.equal(words(running), "held 0.50 credits");
  assert.equal(words(end("completed", { cost: 281_250 })), "cost 0.28125 credits");
  assert.equal(words(end("completed", { cost: 0 })), "cost 0.00 credits");
  assert.equal(words(end("completed", { cost: 12_000_000 })), "cost 12.00 credits");
  assert.equal(words(end("failed", { code: "moderated" })), "nothing was charged");
  assert.equal(words(end("canceled", { reason: "enough" })), "nothing was charged");
  assert.equal(words(fold([{ id: 9, type: "completed", data: {} }])), "");
});

test("history that was lost takes neither the model nor what is held", () => {
  const state = fold([{ id: null, type: "gap", data: {} }, status(7, "running", 1)], asked);
  assert.equal(state.model, "wan-2-5-t2v");
  assert.equal(state.hold, 500_000);
});

test("each stage of a video has words, and a provider's own bar is none", () => {
  const at = (percent, name, more) => fold([status(1, "running", 1), progress(2, percent, name, more)], asked);
  const said = (state) => [stage(state).words, stage(state).detail, makingOf(state)];
  assert.deepEqual(said(asked), ["Waiting", "", "It begins when its turn comes."]);
  assert.equal(stage({ ...asked, queue: { position: 3 } }).detail, "place 3 in line");
  assert.deepEqual(said(at(1, "starting")), ["Starting", "", "The provider is being asked."]);
  assert.deepEqual(
    said(at(2, "queued", { message: "3 in front at the provider" })),
    ["Queued at the provider", "3 in front at the provider", "The provider is busy; its turn comes."],
  );
  assert.deepEqual(
    said(at(16, "generating", { message: "16%|█ | 8/50" })), ["Generating", "", "The video is being made."],
  );
  assert.deepEqual(said(at(92, "downloading")), ["Downloading", "", "The video is made and on its way here."]);
  assert.equal(outcome({ ...asked, end: { type: "canceled", data: {} } }), "Canceled before anything was made.");
});

test("a video is introduced by its model, by title as soon as that is known", () => {
  assert.equal(options(asked), "Video · wan-2-5-t2v");
  assert.equal(options(asked, { title: "Wan 2.5, text to video" }), "Video · Wan 2.5, text to video");
});

// ── Markdown ──

const outline = (node) => (typeof node === "string" ? node : `<${node.tag}>${node.children.map(outline).join("")}</${node.tag}>`);
const html = (text, options) => parse(text, options).map(outline).join("");

test("headings, paragraphs, lists, quotes, code and rules", () => {
  assert.equal(html("# Title #\n\nOne\ntwo\n\n---"), "<h1>Title</h1><p>One\ntwo</p><hr></hr>");
  assert.equal(html("- a\n- b\n  - c\n\n1. x\n2. y"), "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><ol><li>x</li><li>y</li></ol>");
  assert.equal(html("- a\n\n- b"), "<ul><li><p>a</p></li><li><p>b</p></li></ul>");
  assert.equal(html("> q\n> - x"), "<blockquote><p>q</p><ul><li>x</li></ul></blockquote>");
  assert.equal(html("```js\na < b\n\n```\nafter"), "<pre><code>a < b\n</code></pre><p>after</p>");
  assert.equal(html("| a | b |\n|---|--:|\n| 1 | 2 |"),
    "<div><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table></div>");
});

test("emphasis, code and escapes", () => {
  assert.equal(html("**a *b* c** `d*` \\*e\\*"), "<p><strong>a <em>b</em> c</strong> <code>d*</code> *e*</p>");
  assert.equal(html("***both*** snake_case_name 2 * 3 * 4"), "<p><strong><em>both</em></strong> snake_case_name 2 * 3 * 4</p>");
  assert.equal(html("**not closed"), "<p>**not closed</p>");
});

test("markup in a text stays text", () => {
  const nodes = parse("<script>alert(1)</script> <img src=x onerror=alert(1)>");
  assert.equal(outline(nodes[0]), "<p><script>alert(1)</script> <img src=x onerror=alert(1)></p>");
  assert.equal(nodes[0].children.length, 1);
});

test("links lead to http and https only", () => {
  const links = [];
  const collect = (node) => {
    if (typeof node === "string") return;
    if (node.tag === "a") links.push(node.attributes.href);
    node.children.forEach(collect);
  };
  parse(`[a](https://a.example/x_(y)) [b](javascript:alert(1)) [c](JaVaScRiPt:alert(1)) [d](data:text/html,x)
[e](//evil.example) [f](/path) [g](vbscript:x) <https://h.example> https://i.example/j. ![k](http://k.example/k.png)
[l](java\nscript:alert(1)) [m](http://)`).forEach(collect);
  assert.deepEqual(links, [
    "https://a.example/x_(y)", "https://h.example/", "https://i.example/j", "http://k.example/k.png",
  ]);
  assert.equal(safeAddress(" javascript:alert(1)"), null);
});

test("only known tags and attributes come out of any text", () => {
  const tags = new Set(["h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "pre", "code",
    "hr", "br", "em", "strong", "del", "a", "div", "table", "thead", "tbody", "tr", "th", "td"]);
  const attributes = new Set(["href", "rel", "target", "class", "start", "data-language"]);
  const check = (node) => {
    if (typeof node === "string") return;
    assert.ok(tags.has(node.tag), node.tag);
    for (const name of Object.keys(node.attributes)) assert.ok(attributes.has(name), name);
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
    const strip = (node) => (typeof node === "string" ? node : { tag: node.tag, attributes: node.attributes, children: node.children.map(strip) });
    assert.deepEqual(growing.update(text).map(strip), parse(text).map(strip), `seed ${seed}: ${JSON.stringify(text)}`);
  }
});

test("what stands in front keeps its identity while the text grows", () => {
  const growing = growingDocument();
  const text = "# One\n\nTwo\n\nThree\n\nFour";
  const before = growing.update(text, { open: true });
  const after = growing.update(`${text} and more`, { open: true });
  assert.equal(before[0], after[0]);
  assert.equal(before[1], after[1]);
});

test("while it is written, half a mark is not shown", () => {
  assert.equal(html("Some **bol", { open: true }), "<p>Some <strong>bol</strong></p>");
  assert.equal(html("Some **", { open: true }), "<p>Some </p>");
  assert.equal(html("a `co", { open: true }), "<p>a <code>co</code></p>");
  assert.equal(html("see [the lin", { open: true }), "<p>see the lin</p>");
  assert.equal(html("see [the link](https://exa", { open: true }), "<p>see the link</p>");
  assert.equal(html("done\n\n##", { open: true }), "<p>done</p>");
  assert.equal(html("done\n\n-", { open: true }), "<p>done</p>");
  assert.equal(html("done\n\n| a | b", { open: true }), "<p>done</p>");
  assert.equal(html("2*3", { open: true }), "<p>2*3</p>");
});

test("no text takes long", () => {
  const size = 40_000;
  const nasty = ["*", "_", "[", "`", "![", "> ", "- ", "*a ", "[a](", "a\n", "&", "<https://", "https://", "~~",
    "\\", "|", "`` ` ", "**a*", "# ", "|a", "1. ", "((", "    "].map((unit) => unit.repeat(size / unit.length));
  nasty.push(`${"|a".repeat(size / 2)}\n${"|-".repeat(size / 2)}`, `# ${" ".repeat(size)}x`, `[a](${"(".repeat(size)}`);
  for (const text of nasty) {
    const started = performance.now();
    parse(text);
    parse(text, { open: true });
    const elapsed = performance.now() - started;
    assert.ok(elapsed < 2_000, `${elapsed} ms for ${JSON.stringify(text.slice(0, 12))}`);
  }
});

test("the words of a tree are the reader's words", () => {
  assert.equal(plainText(parse("**a** [b](https://x.example) `c`")), "a b c");
});

/** A text made of everything that means something, in no order. */
function scribble(seed) {
  const random = generator(seed);
  const units = ["# ", "## ", "- ", "* ", "1. ", "2) ", "> ", "```", "~~~\n", "---", "**", "*", "_", "`", "[a](", ")",
    "https://x.example/", "|", "|---|", "\n", "\n", "\n\n", "\n\n", "  ", "    ", "word", "two words", "🌊", "<b>",
    "&amp;", "\\", "![", "]", "~~", "\t"];
  const count = 5 + Math.floor(random() * 60);
  return Array.from({ length: count }, () => units[Math.floor(random() * units.length)]).join("");
}

function generator(seed) {
  let state = seed * 2_654_435_761 % 2 ** 32;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}
