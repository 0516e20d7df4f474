// The fold over a job's events, and what a page asks of the state.

import { expect, test } from "vitest";

import { costOf, isMedia, narrationProgress, overallPercent, pictures, wantsVoice } from "../src/questions.ts";
import { countScalars, skipScalars } from "../src/scalars.ts";
import { initialState, reduce, withJob } from "../src/state.ts";
import type { FoldableEvent, JobState } from "../src/state.ts";

const content = (id: number, offset: number, text: string, attempt = 1): FoldableEvent => (
  { id, type: "content", data: { index: 0, offset, text, attempt } }
);
const status = (id: number, name: string, attempt: number): FoldableEvent => (
  { id, type: "status", data: { status: name, attempt } }
);
const progress = (id: number, percent: number, stage: string, more = {}): FoldableEvent => (
  { id, type: "progress", data: { percent, stage, ...more } }
);
const gap: FoldableEvent = { id: null, type: "gap", data: {} };
const fold = (events: readonly FoldableEvent[], state: JobState = initialState()): JobState => (
  events.reduce(reduce, state)
);

const narrated: FoldableEvent = {
  id: 90,
  type: "tts_completed",
  data: { artifact_id: "file_1", url: "/voice", duration_ms: 4_000, voice: "alloy" },
};

test("pieces follow each other", () => {
  const state = fold([status(1, "running", 1), content(2, 0, "Hello "), content(3, 6, "world")]);
  expect(state.text).toBe("Hello world");
  expect(state.length).toBe(11);
});

test("an event that comes twice changes nothing", () => {
  const events = [status(1, "running", 1), content(2, 0, "Hello "), content(3, 6, "world")];
  const once = fold(events);
  expect(fold(events, once)).toBe(once);
});

test("a piece that is known already is not repeated, whatever its id", () => {
  const state = fold([content(1, 0, "Hello "), content(2, 0, "Hello "), content(3, 4, "o world")]);
  expect(state.text).toBe("Hello world");
});

test("a piece that comes before its predecessor waits for it", () => {
  const early = fold([content(1, 0, "a"), content(2, 2, "c")]);
  expect(early.text).toBe("a");
  expect(fold([content(3, 1, "b")], early).text).toBe("abc");
});

test("offsets count Unicode scalar values, not UTF-16 units", () => {
  const state = fold([content(1, 0, "🌊🌊"), content(2, 1, "🌊 water"), content(3, 8, "!")]);
  expect(state.text).toBe("🌊🌊 water!");
  expect(countScalars("a🌊b\ud83c")).toBe(4);
  expect(skipScalars("🌊🌊 x", 1)).toBe("🌊 x");
});

test("pieces without an offset, as external workers send them, follow each other", () => {
  const piece = (id: number, text: string): FoldableEvent => ({ id, type: "content", data: { text } });
  expect(fold([piece(1, "a"), piece(2, "b")]).text).toBe("ab");
});

test("a higher attempt starts over, and pieces of the lower one are refused", () => {
  const state = fold([
    status(1, "running", 1), content(2, 0, "old text"), progress(3, 60, "writing"), narrated,
    status(100, "running", 2), content(101, 0, "new", 2), content(102, 3, "old", 1),
  ]);
  expect(state.text).toBe("new");
  expect(state.attempt).toBe(2);
  expect(state.narration).toBeNull();
  expect(overallPercent(state)).toBe(0);
  expect(state.revision).toBeGreaterThan(initialState().revision);
});

test("progress never falls within an attempt and leaves 100 to the result", () => {
  const state = fold([progress(1, 40, "writing"), progress(2, 30, "writing"), progress(3, 100, "finishing")]);
  expect(overallPercent(state)).toBe(99);
  expect(overallPercent(fold([narrated], state))).toBe(100);
  expect(overallPercent(fold([{ id: 95, type: "completed", data: {} }], state))).toBe(100);
});

test("a failed job keeps its text and never shows 100", () => {
  const state = fold([content(1, 0, "half"), progress(2, 99, "finishing"), { id: 3, type: "failed", data: { code: "x" } }]);
  expect(state.text).toBe("half");
  expect(overallPercent(state)).toBe(99);
  expect(state.end).toEqual({ type: "failed", data: { code: "x" } });
});

test("the narration is at 100 the moment tts_completed comes, before completed", () => {
  const making = fold([progress(1, 70, "narrating", { part: 2, parts: 4 })]);
  expect(narrationProgress(making)).toEqual({ phase: "making", percent: 50, part: 2, parts: 4 });
  const last = fold([progress(2, 90, "narrating", { part: 4, parts: 4 })], making);
  expect(narrationProgress(last).percent).toBe(99);
  const ready = fold([narrated], last);
  expect(narrationProgress(ready).percent).toBe(100);
  expect(ready.end).toBeNull();
});

test("a job that ended without a narration does not promise one", () => {
  const job = withJob(initialState(), { kind: "blog", input: { voiceover: true } });
  expect(wantsVoice(job)).toBe(true);
  expect(narrationProgress(job).phase).toBe("waiting");
  expect(narrationProgress(fold([{ id: 1, type: "canceled", data: {} }], job)).phase).toBe("absent");
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
  const state = fold([gap, snapshot, content(41, 8, "!")], before);
  expect(state.text).toBe("🌊 so far!");
  expect(state.lastId).toBe(41);
});

test("a gap that is followed by history instead starts over", () => {
  const before = fold([content(500, 0, "of another epoch")]);
  expect(fold([gap, content(40, 0, "again")], before).text).toBe("again");
});

test("a trimmed snapshot goes on at its own offset", () => {
  const data = { status: "running", attempt: 1, text: "tail", text_offset: 1_000, artifacts: [] };
  const state = fold([{ id: 9, type: "snapshot", data }, content(10, 1_004, " more")]);
  expect(state.text).toBe("tail more");
});

test("a snapshot of a finished job shows its narration", () => {
  const voice = { id: "file_1", kind: "voice", url: "/voice", duration_ms: 5 };
  const data = { status: "completed", attempt: 1, text: "", artifacts: [voice] };
  const state = fold([{ id: 9, type: "snapshot", data }]);
  expect(state.narration?.url).toBe("/voice");
  expect(state.end?.type).toBe("completed");
});

test("nonsense from an external worker breaks nothing", () => {
  const nonsense = [null, 7, "text", [], { text: 7 }, { text: null, offset: "x" }, { artifact: 3 }, { artifacts: 7 }];
  for (const data of nonsense) {
    for (const type of ["content", "progress", "artifact_ready", "status", "tts_completed", "snapshot", "own.name"]) {
      const state = fold([{ id: 1, type, data }]);
      expect(state.text, `${type} ${JSON.stringify(data)}`).toBe("");
      expect(state.narration).toBeNull();
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
  expect(isMedia(made)).toBe(true);
  expect(wantsVoice(made)).toBe(false);
  expect(pictures(made)).toEqual([clip]);
  expect(overallPercent(made)).toBe(0);
  expect(pictures(fold([status(3, "running", 2)], made))).toEqual([]);
});

test("credits are held until the end, then cost or given back", () => {
  const running = fold([status(1, "running", 1)], asked);
  const end = (type: string, data: object): JobState => fold([{ id: 9, type, data }], running);
  expect(costOf(initialState())).toEqual({ what: null, micro: 0 });
  expect(costOf(running)).toEqual({ what: "held", micro: 500_000 });
  expect(costOf(end("completed", { cost: 281_250 }))).toEqual({ what: "cost", micro: 281_250 });
  expect(costOf(end("completed", { cost: 0 }))).toEqual({ what: "cost", micro: 0 });
  expect(costOf(end("completed", {}))).toEqual({ what: null, micro: 0 });
  expect(costOf(end("failed", { code: "moderated" }))).toEqual({ what: "released", micro: 500_000 });
  expect(costOf(end("canceled", { reason: "enough" }))).toEqual({ what: "released", micro: 500_000 });
});

test("history that was lost takes neither the model nor what is held", () => {
  const state = fold([gap, status(7, "running", 1)], asked);
  expect(state.model).toBe("wan-2-5-t2v");
  expect(state.hold).toBe(500_000);
});
