// The page's sentences about a job, its connection and its costs.

import { expect, test } from "vitest";

import { initialState, reduce, withJob } from "../../src/index.ts";
import type { FoldableEvent, JobState, WatchState } from "../../src/index.ts";
import { badgeReason, badgeWords, withNetwork } from "../../studio/badge.ts";
import { streamCommand, submitCommand } from "../../studio/curl.ts";
import { inputName, modeName } from "../../studio/names.ts";
import { ago, clock } from "../../studio/times.ts";
import { fileName, sizeOf, titleOf } from "../../studio/titles.ts";
import { attemptNote, makingOf, options, outcome, stage } from "../../studio/words.ts";

const asked = withJob(initialState(), {
  kind: "video", model: "wan-2-5-t2v", input: { prompt: "a kite" }, hold: 500_000, created_at: 1,
});
const fold = (events: readonly FoldableEvent[], state: JobState): JobState => events.reduce(reduce, state);
const at = (percent: number, name: string, more = {}): JobState => fold([
  { id: 1, type: "status", data: { status: "running", attempt: 1 } },
  { id: 2, type: "progress", data: { percent, stage: name, ...more } },
], asked);

test("each stage of a video has words, and a provider's own bar is none", () => {
  const said = (state: JobState): string[] => [stage(state).words, stage(state).detail, makingOf(state)];
  expect(said(asked)).toEqual(["Waiting", "", "It begins when its turn comes."]);
  expect(stage({ ...asked, queue: { position: 3 } }).detail).toBe("place 3 in line");
  expect(stage({ ...asked, queue: { position: 1 } }).detail).toBe("next in line");
  expect(said(at(1, "starting"))).toEqual(["Starting", "", "The provider is being asked."]);
  expect(said(at(2, "queued", { message: "3 in front at the provider" }))).toEqual(
    ["Queued at the provider", "3 in front at the provider", "The provider is busy; its turn comes."],
  );
  expect(said(at(16, "generating", { message: "16%|█ | 8/50" }))).toEqual(["Generating", "", "The video is being made."]);
  expect(said(at(92, "downloading"))).toEqual(["Downloading", "", "The video is made and on its way here."]);
});

test("an end that is not a good one is explained", () => {
  expect(outcome({ ...asked, end: { type: "canceled", data: {} } })).toBe("Canceled before anything was made.");
  const failed = { type: "failed", data: { code: "x", message: "the provider said no", retryable: true } } as const;
  expect(outcome({ ...asked, end: failed })).toBe("The provider said no. It may go better another time.");
  expect(outcome({ kind: "blog", text: "half", end: failed })).toMatch(/kept below\.$/);
  expect(outcome({ ...asked, end: { type: "completed", data: {} } })).toBe("");
});

test("a second attempt is explained while it lasts", () => {
  const again = fold([{ id: 9, type: "status", data: { status: "running", attempt: 2 } }], asked);
  expect(attemptNote(again)).toBe("The server restarted and goes on with it, attempt 2.");
  expect(attemptNote({ ...again, end: { type: "completed", data: {} } })).toBe("");
});

test("a video is introduced by its model, by title as soon as that is known", () => {
  expect(options(asked)).toBe("Video · wan-2-5-t2v");
  expect(options(asked, { title: "Wan 2.5, text to video" })).toBe("Video · Wan 2.5, text to video");
  expect(options({ kind: "blog", input: { language: "de", tone: "calm", words: 300 }, model: null }))
    .toBe("Blog post · German · calm · about 300 words");
  expect(options({ kind: "blog", input: { language: "no language" }, model: null })).toBe("Blog post · no language");
});

const state = (more: Partial<WatchState>): WatchState => (
  { phase: "live", reason: null, retryAt: null, carrier: "fetch", shared: false, ...more }
);

test("the badge says how it is, counts down, and says why", () => {
  expect(badgeWords(state({}), 0)).toBe("live");
  expect(badgeReason(state({ shared: true }))).toBe("Events come by a stream. One connection serves all tabs.");
  const waiting = state({ phase: "reconnecting", reason: "the stream broke off", retryAt: 4_200, carrier: null });
  expect(badgeWords(waiting, 1_000)).toBe("reconnecting in 4 s");
  expect(badgeWords(waiting, 5_000)).toBe("reconnecting");
  expect(badgeReason(waiting)).toBe("The stream broke off.");
  expect(badgeWords(state({ phase: "ended", carrier: null }), 0)).toBe("done");
});

test("a device without a network is the reason, and nothing is counted down", () => {
  const waiting = state({ phase: "reconnecting", reason: "the stream broke off", retryAt: 4_200, carrier: null });
  const offline = withNetwork(waiting, false);
  expect(badgeWords(offline, 0)).toBe("reconnecting");
  expect(badgeReason(offline)).toBe("This device is offline.");
  expect(withNetwork(waiting, true)).toBe(waiting);
});

test("a title is the first thing that was said, and a file is called by it", () => {
  expect(titleOf({ promptText: "  a\nkite " })).toBe("a kite");
  expect(titleOf({ prompt: " " }, "lipsync")).toBe("Lip-sync without a prompt");
  expect(titleOf(null)).toBe("Untitled");
  expect(titleOf({ messages: [{ role: "user", content: "Why tides?" }] }, "chat")).toBe("Why tides?");
  expect(titleOf({ text: `${"word ".repeat(27)}and a longer one` })).toBe(`${"word ".repeat(27)}and…`);
  expect(fileName("audio/wav; codecs=1", { topic: "Why rivers: Überlauf?" }, "blog")).toBe("why-rivers-uberlauf.wav");
  expect(fileName("x/y", { topic: "?" }, "blog")).toBe("tailwater.bin");
});

test("times and sizes are said as people say them", () => {
  expect([clock(0), clock(65), clock(3_725), clock(-3)]).toEqual(["0:00", "1:05", "1:02:05", "0:00"]);
  expect([ago(0, 20_000), ago(0, 300_000), ago(0, 7_200_000)]).toEqual(["just now", "5 min ago", "2 h ago"]);
  expect([sizeOf(999), sizeOf(26_009), sizeOf(1_210_462)]).toEqual(["999 B", "26 kB", "1.2 MB"]);
});

test("names of the catalog are read as words", () => {
  expect(["negative_prompt", "promptText", "image_url", "image_urls", "fps", "videoUri"].map(inputName))
    .toEqual(["Negative prompt", "Prompt text", "Image", "Images", "Frames per second", "Video"]);
  expect(modeName("first-last-frame-to-video")).toBe("First and last frame to video");
});

test("a command survives a shell, whatever was typed", () => {
  expect(submitCommand("http://a.example", "/api/x", { prompt: "it's" }))
    .toBe(`curl 'http://a.example/api/x' --header 'content-type: application/json' --data '{"prompt":"it'\\''s"}'`);
  expect(streamCommand("http://a.example", "job_1")).toBe("curl --no-buffer 'http://a.example/api/jobs/job_1/stream'");
});
