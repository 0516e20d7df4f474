// A narration in a component: how far it is, and that it is heard at once.

import { eventually, mount, shows, turn, type Mounted } from "./page.ts";

import { StrictMode, type ReactElement } from "react";
import { renderToString } from "react-dom/server";
import { expect, test, vi } from "vitest";

import { useAudioPanel, type AudioPanel, type AudioPanelOptions } from "../../src/react/index.ts";
import { initialState, reduce, withJob, type JobState } from "../../src/state.ts";
import { COMPLETED, RUNNING, ScriptedServer, content, type Fact } from "./scripted.ts";

const narrating = (part: number, percent: number): Fact => ["progress", { percent, stage: "narrating", part, parts: 3 }];
const URL_OF_VOICE = "/api/artifacts/art_1/content";
const ARTIFACT: Fact = ["artifact_ready", {
  artifact: { id: "art_1", kind: "voice", media_type: "audio/mpeg", url: URL_OF_VOICE, bytes: 9, duration_ms: 4_200 },
}];
const SPOKEN: Fact = ["tts_completed", { artifact_id: "art_1", url: URL_OF_VOICE, duration_ms: 4_200, voice: "alloy" }];

/** Everything that happens to a job with a narration. */
const HISTORY: readonly Fact[] = [
  ["status", { status: "pending", attempt: 1 }],
  RUNNING,
  ["progress", { percent: 5, stage: "writing" }],
  content(0, "The tides"),
  ["progress", { percent: 100, stage: "writing" }],
  narrating(0, 60),
  narrating(1, 70),
  narrating(2, 99),
  narrating(3, 100),
  ["progress", { percent: 100, stage: "finishing", part: 3, parts: 3 }],
  ARTIFACT,
  SPOKEN,
  COMPLETED,
];

/** The state after some facts. */
const stateAfter = (facts: readonly Fact[]): JobState =>
  facts.reduce((state, [type, data], index) => reduce(state, { id: index + 1, type, data }), initialState());
const READY = stateAfter(HISTORY.slice(0, -1));

interface ViewProps {
  readonly job: JobState | string | null;
  readonly options?: AudioPanelOptions;
  readonly withElement?: boolean;
}

/** A component with a panel, and what it has got in each of its renders. */
class Subject {
  readonly renders: AudioPanel[] = [];
  readonly View = ({ job, options, withElement = true }: ViewProps): ReactElement => {
    const panel = useAudioPanel(job, options);
    this.renders.push(panel);
    return <>{withElement && <audio ref={panel.audioRef} />}</>;
  };

  get now(): AudioPanel {
    const newest = this.renders.at(-1);
    if (newest === undefined) throw new Error("it was never rendered");
    return newest;
  }
}

function elementOf({ container }: Mounted): HTMLAudioElement {
  const element = container.querySelector("audio");
  if (element === null) throw new Error("there is no audio element");
  return element;
}

/** A browser that plays nothing before a click. */
const forbids = (element: HTMLAudioElement): void => {
  vi.spyOn(element, "play").mockRejectedValue(new DOMException("click first", "NotAllowedError"));
};

test("the_panel_is_at_100_with_tts_completed_and_never_before", async () => {
  const subject = new Subject();
  const { render } = await mount(<subject.View job={initialState()} />);
  const shown: Record<string, number> = {};
  for (let count = 1; count <= HISTORY.length; count += 1) {
    await render(<subject.View job={stateAfter(HISTORY.slice(0, count))} />);
    const [type = ""] = HISTORY[count - 1] ?? [];
    const { phase, percent, url } = subject.now;
    shown[type] = Math.max(shown[type] ?? 0, percent);
    expect({ type, isFull: percent === 100, isReady: phase === "ready", hasUrl: url !== null })
      .toEqual({ type, isFull: count >= 12, isReady: count >= 12, hasUrl: count >= 12 });
  }
  expect(shown).toMatchObject({ progress: 99, artifact_ready: 99, tts_completed: 100, completed: 100 });
});

test("it_says_which_part_is_made_and_then_what_there_is_to_hear", async () => {
  const subject = new Subject();
  const { render } = await mount(<subject.View job={stateAfter(HISTORY.slice(0, 5))} />);
  expect(subject.now).toMatchObject({ phase: "waiting", percent: 0, part: null, parts: null, url: null });
  await render(<subject.View job={stateAfter(HISTORY.slice(0, 7))} />);
  expect(subject.now).toMatchObject({ phase: "making", percent: 33, part: 1, parts: 3, durationMs: null, voice: null });
  await render(<subject.View job={READY} />);
  expect(subject.now).toMatchObject({ phase: "ready", percent: 100, url: URL_OF_VOICE, durationMs: 4_200, voice: "alloy" });
});

test("a_job_by_its_id_is_watched_and_its_narration_is_on_its_server", async () => {
  const server = new ScriptedServer();
  const subject = new Subject();
  const mounted = await mount(<StrictMode><subject.View job="job_1" options={{ client: server.client }} /></StrictMode>);
  expect(subject.now).toMatchObject({ phase: "waiting", url: null });
  server.add("job_1", ...HISTORY);
  await shows(() => expect(subject.now).toMatchObject({ phase: "ready", percent: 100, url: `https://jobs.example${URL_OF_VOICE}` }));
  expect(elementOf(mounted).getAttribute("src")).toBe(`https://jobs.example${URL_OF_VOICE}`);
  // Nobody asked for it to be heard.
  expect(subject.now.isPlaying).toBe(false);
  expect(server.requests).toEqual(["GET /api/jobs/job_1/stream"]);
});

const withInput = (kind: "blog" | "image", input: Readonly<Record<string, unknown>>): JobState => withJob(initialState(), { kind, input });

test.each([
  ["no job", null, "absent"],
  ["a job that is over without one", stateAfter([RUNNING, COMPLETED]), "absent"],
  ["a blog post that is not read aloud", withInput("blog", { topic: "tides" }), "absent"],
  ["a blog post that is read aloud", withInput("blog", { topic: "tides", voiceover: true }), "waiting"],
  ["an image", withInput("image", { prompt: "tides" }), "absent"],
  ["a job of which nothing is known", initialState(), "waiting"],
])("of %s the narration is %s", async (_, job, phase) => {
  const subject = new Subject();
  await mount(<subject.View job={job} />);
  expect(subject.now).toMatchObject({ phase, url: null, isPlaying: false });
});

test("it_is_heard_at_once_where_that_is_asked", async () => {
  const subject = new Subject();
  const mounted = await mount(<StrictMode><subject.View job={stateAfter(HISTORY.slice(0, 11))} options={{ autoPlay: true }} /></StrictMode>);
  const play = vi.spyOn(elementOf(mounted), "play");
  expect(play).not.toHaveBeenCalled();
  await mounted.render(<StrictMode><subject.View job={READY} options={{ autoPlay: true }} /></StrictMode>);
  expect(play).toHaveBeenCalledTimes(1);
  expect(elementOf(mounted).getAttribute("src")).toBe(URL_OF_VOICE);
  await eventually(() => expect(subject.now).toMatchObject({ isPlaying: true, autoplayBlocked: false }));
  await mounted.render(<StrictMode><subject.View job={stateAfter(HISTORY)} options={{ autoPlay: true }} /></StrictMode>);
  expect(play).toHaveBeenCalledTimes(1);
});

test("it_is_heard_at_once_in_an_element_that_comes_with_it_or_later", async () => {
  const subject = new Subject();
  const mounted = await mount(<subject.View job={READY} options={{ autoPlay: true }} withElement={false} />);
  expect(subject.now).toMatchObject({ phase: "ready", isPlaying: false });
  await mounted.render(<subject.View job={READY} options={{ autoPlay: true }} />);
  await eventually(() => expect(subject.now.isPlaying).toBe(true));
  const other = new Subject();
  await mount(<other.View job={READY} options={{ autoPlay: true }} />);
  await eventually(() => expect(other.now.isPlaying).toBe(true));
});

test("strict_mode_plays_it_once_and_loads_it_once", async () => {
  const play = vi.spyOn(window.HTMLMediaElement.prototype, "play");
  const load = vi.spyOn(window.HTMLMediaElement.prototype, "src", "set");
  const subject = new Subject();
  await mount(<StrictMode><subject.View job={READY} options={{ autoPlay: true }} /></StrictMode>);
  await eventually(() => expect(subject.now.isPlaying).toBe(true));
  expect(play).toHaveBeenCalledTimes(1);
  expect(load.mock.calls).toEqual([[URL_OF_VOICE]]);
});

test("a_choice_that_comes_late_starts_nothing", async () => {
  const subject = new Subject();
  const mounted = await mount(<subject.View job={READY} />);
  await mounted.render(<subject.View job={READY} options={{ autoPlay: true }} />);
  await turn();
  expect(subject.now.isPlaying).toBe(false);
});

test("where_the_browser_forbids_it_the_panel_says_so_and_a_click_plays_it", async () => {
  const subject = new Subject();
  const mounted = await mount(<subject.View job={initialState()} options={{ autoPlay: true }} />);
  forbids(elementOf(mounted));
  await mounted.render(<subject.View job={READY} options={{ autoPlay: true }} />);
  await eventually(() => expect(subject.now).toMatchObject({ isPlaying: false, autoplayBlocked: true }));
  vi.restoreAllMocks();
  subject.now.play();
  await eventually(() => expect(subject.now).toMatchObject({ isPlaying: true, autoplayBlocked: false }));
});

test("what_the_browser_forbade_is_forgotten_with_the_narration", async () => {
  const subject = new Subject();
  const mounted = await mount(<subject.View job={initialState()} options={{ autoPlay: true }} />);
  forbids(elementOf(mounted));
  await mounted.render(<subject.View job={READY} options={{ autoPlay: true }} />);
  await eventually(() => expect(subject.now.autoplayBlocked).toBe(true));
  await mounted.render(<subject.View job={initialState()} options={{ autoPlay: true }} />);
  await eventually(() => expect(subject.now.autoplayBlocked).toBe(false));
});

test("what_the_browser_says_of_an_element_that_has_left_is_nobodys", async () => {
  const subject = new Subject();
  const mounted = await mount(<subject.View job={READY} />);
  let forbid: () => void = () => undefined;
  vi.spyOn(elementOf(mounted), "play").mockReturnValue(new Promise((_, reject) => {
    forbid = () => reject(new DOMException("click first", "NotAllowedError"));
  }));
  subject.now.play();
  await mounted.render(<subject.View job={READY} withElement={false} />);
  forbid();
  await turn();
  expect(subject.now.autoplayBlocked).toBe(false);
});

test("a_load_that_was_broken_off_is_not_a_browser_that_forbids", async () => {
  const subject = new Subject();
  const mounted = await mount(<subject.View job={READY} />);
  vi.spyOn(elementOf(mounted), "play").mockRejectedValue(new DOMException("a new load", "AbortError"));
  subject.now.play();
  await turn();
  expect(subject.now).toMatchObject({ isPlaying: false, autoplayBlocked: false });
});

test("play_and_pause_are_shown_whoever_does_them", async () => {
  const subject = new Subject();
  const mounted = await mount(<subject.View job={READY} />);
  const element = elementOf(mounted);
  subject.now.play();
  await eventually(() => expect(subject.now.isPlaying).toBe(true));
  subject.now.pause();
  await eventually(() => expect(subject.now.isPlaying).toBe(false));
  await element.play();
  await eventually(() => expect(subject.now.isPlaying).toBe(true));
  Object.defineProperty(element, "ended", { value: true });
  element.dispatchEvent(new window.Event("ended"));
  await eventually(() => expect(subject.now.isPlaying).toBe(false));
});

test("after_a_load_that_failed_play_loads_again", async () => {
  const subject = new Subject();
  const mounted = await mount(<subject.View job={READY} />);
  const element = elementOf(mounted);
  const load = vi.spyOn(element, "load");
  subject.now.play();
  expect(load).not.toHaveBeenCalled();
  Object.defineProperty(element, "error", { value: { code: 2 } });
  subject.now.play();
  expect(load).toHaveBeenCalledTimes(1);
});

test("another_job_silences_the_narration_before_it", async () => {
  const subject = new Subject();
  const mounted = await mount(<subject.View job={READY} options={{ autoPlay: true }} />);
  await eventually(() => expect(subject.now.isPlaying).toBe(true));
  const load = vi.spyOn(elementOf(mounted), "load");
  await mounted.render(<subject.View job={initialState()} options={{ autoPlay: true }} />);
  await eventually(() => expect(subject.now).toMatchObject({ phase: "waiting", url: null, isPlaying: false }));
  expect(elementOf(mounted).hasAttribute("src")).toBe(false);
  // Without it a browser keeps the file, and the connection to it.
  expect(load).toHaveBeenCalledTimes(1);
  subject.now.play();
  await turn();
  expect(subject.now.isPlaying).toBe(false);
});

test("an_element_that_leaves_is_not_playing_any_more", async () => {
  const subject = new Subject();
  const mounted = await mount(<subject.View job={READY} options={{ autoPlay: true }} />);
  await eventually(() => expect(subject.now.isPlaying).toBe(true));
  const forget = vi.spyOn(elementOf(mounted), "removeEventListener");
  await mounted.render(<subject.View job={READY} options={{ autoPlay: true }} withElement={false} />);
  await eventually(() => expect(subject.now.isPlaying).toBe(false));
  expect(forget.mock.calls.map(([name]) => name)).toEqual(["play", "pause", "ended"]);
});

test("a_server_renders_what_is_known_of_the_narration", () => {
  const subject = new Subject();
  expect(renderToString(<subject.View job={READY} options={{ autoPlay: true }} />)).toBe("<audio></audio>");
  expect(subject.now).toMatchObject({ phase: "ready", percent: 100, url: URL_OF_VOICE, isPlaying: false });
});
