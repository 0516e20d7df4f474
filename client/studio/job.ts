// One job: watches it, folds its events, and shows what came of it.

import { initialState, isMedia, isOver, reduce, wantsVoice, withJob } from "../src/index.ts";
import type { FoldableEvent, JobState, Watch } from "../src/index.ts";
import { TailwaterError } from "../src/errors.ts";
import type { Model } from "../src/types.ts";
import { sectionAddress } from "./address.ts";
import { audioPanel } from "./audio.ts";
import type { Badge } from "./badge.ts";
import { find, setText, showText } from "./dom.ts";
import { fileList, narrationFile } from "./files.ts";
import { writingFollower } from "./follow.ts";
import { why } from "./form.ts";
import { copyInto, inspector } from "./inspector.ts";
import { drawElapsed, drawHead } from "./job-head.ts";
import { liveness } from "./liveness.ts";
import { mediaPanel } from "./media.ts";
import { postView } from "./post.ts";
import { server } from "./server.ts";
import { setWater } from "./water.ts";

/** What the rest of the page has to do with a job. */
export interface JobHooks {
  readonly connection: Badge;
  /** Submits the same again. */
  retry(id: string, state: JobState): Promise<unknown>;
  /** The server does not know the job, or does not show it. */
  onLost(reason: string): void;
  /** Whether texts and sounds come from a simulator, as far as is known. */
  isSimulated(state: JobState): boolean;
  /** The state was drawn. */
  onChange(id: string, state: JobState): void;
  /** The job ended while it was watched. */
  onEnd(state: JobState): void;
}

/** The job's part of the page. */
export interface JobView {
  /** Shows a job from its beginning. */
  open(id: string): void;
  /** Lets the job go; nothing of it stays on the page, to be taken for the next one's. */
  close(): void;
}

/** The view in `section`. */
export function jobView(section: HTMLElement, hooks: JobHooks): JobView {
  const post = postView(find("#post"));
  const audio = audioPanel(find("#audio"));
  const media = mediaPanel(find("#media"));
  const files = fileList(find("#files"));
  const events = inspector(find("#inspector", section, HTMLDetailsElement));
  const follow = writingFollower(find("#follow"), find("#post"));
  let id: string | null = null;
  let state = initialState();
  let watch: Watch | null = null;
  let live = liveness();
  let frame: number | null = null;
  let ticking: number | undefined;
  let described = false;
  let stopping = false;
  let endedAt: number | null = null;
  let model: Model | null = null;

  function dispatch(event: FoldableEvent): void {
    events.add(event);
    const isNews = live.take(event);
    const next = reduce(state, event);
    if (next === state) return;
    if (isNews && state.narration === null && next.narration !== null) audio.playAtOnce();
    const hasEnded = isNews && state.end === null && next.end !== null;
    state = next;
    if (hasEnded) hooks.onEnd(state);
    // The narration is heard, and its bar full, in the moment it is there: no frame is waited for.
    if (isNews && event.type === "tts_completed") draw();
    else request();
  }

  /** Many events may come in one frame; the page is drawn once. */
  function request(): void {
    if (frame !== null) return;
    // A hidden tab gets no frames, but its title should still move.
    frame = document.hidden ? window.setTimeout(draw, 0) : requestAnimationFrame(draw);
  }

  function draw(): void {
    frame = null;
    if (id === null) return;
    reveal();
    drawHead(section, state, { model, described, stopping, endedAt, simulated: hooks.isSimulated(state) });
    drawResult();
    setWater(state);
    follow.update(state);
    hooks.onChange(id, state);
  }

  /** Before it is known what the job makes, and how it ended if it did, it would be shown in a wrong shape. */
  function reveal(): void {
    const isTold = endedAt === null || state.end !== null;
    if (state.kind === null || !isTold || !section.hasAttribute("aria-busy")) return;
    section.removeAttribute("aria-busy");
    find("#job-title").focus({ preventScroll: true });
  }

  function drawResult(): void {
    const readable = withReadableText(state);
    const isMade = isMedia(state);
    const article = find("#post");
    post.update(readable);
    article.hidden = isMade || (readable.text === "" && (state.kind === "voiceover" || isOver(state)));
    article.lang = typeof state.input?.language === "string" ? state.input.language : "";
    find("#media").hidden = !isMade;
    if (isMade) media.update(state, model);
    const voiced = wantsVoice(state);
    find("#audio").hidden = !voiced;
    if (voiced) audio.update(state, narrationFile(state));
    const speak = find("#audio .speak", section, HTMLAnchorElement);
    if (state.narration !== null) speak.href = sectionAddress("lip-sync", { audio: state.narration.url });
    files.update(state);
  }

  async function describe(wanted: string): Promise<void> {
    try {
      const job = await server.get(wanted);
      if (wanted !== id) return;
      described = true;
      endedAt = job.ended_at;
      live.known(job.last_event_id);
      state = withJob(state, job);
      request();
      if (isMedia(state) && model === null && state.model !== null) void introduce(wanted, state.model);
    } catch (problem) {
      if (wanted === id && problem instanceof TailwaterError && problem.status === 404) hooks.onLost(lostBecause(wanted));
    }
  }

  /** The model's title is welcome and not waited for; without it the slug stands there. */
  async function introduce(wanted: string, slug: string): Promise<void> {
    const row = await server.model(slug).catch(() => null);
    if (wanted !== id || row === null) return;
    model = row;
    request();
  }

  function follows(wanted: string): Watch {
    const begun = server.watch(wanted, {
      onEvent: dispatch,
      onState(now) {
        if (wanted !== id) return;
        hooks.connection.update(now);
        // The server may have been away when it was first asked.
        if (!described && (now.phase === "live" || now.phase === "ended")) void describe(wanted);
      },
    });
    // A watch tells of changes only, and a server that is slow to answer is none.
    hooks.connection.update(begun.state);
    begun.done.catch((problem: unknown) => {
      const final = problem instanceof TailwaterError && [401, 403, 404, 410].includes(problem.status ?? 0);
      if (wanted === id && final) hooks.onLost(lostBecause(wanted, problem.status));
    });
    return begun;
  }

  const say = (problem: unknown): void => showText(find("#outcome"), `That did not work: ${why(problem)}`);

  async function cancel(wanted: string): Promise<void> {
    stopping = true;
    request();
    try {
      await server.cancel(wanted, "canceled on the page");
    } catch (problem) {
      stopping = false;
      request();
      // It may have ended while the finger was on its way; its last event says so.
      if (!(problem instanceof TailwaterError && problem.status === 409)) say(problem);
    }
  }

  find("#cancel").addEventListener("click", () => {
    if (id !== null) void cancel(id);
  });
  const again = find("#again", section, HTMLButtonElement);
  again.addEventListener("click", () => {
    if (id === null) return;
    again.disabled = true;
    void hooks.retry(id, state).catch(say).finally(() => { again.disabled = false; });
  });
  const copy = find("#copy");
  copy.addEventListener("click", () => void copyInto(copy, location.href));

  return {
    open(wanted) {
      if (wanted === id) return;
      this.close();
      id = wanted;
      described = stopping = false;
      endedAt = model = null;
      state = initialState();
      live = liveness();
      section.dataset.job = wanted;
      setText(find("#job-id"), wanted);
      section.setAttribute("aria-busy", "true");
      events.open(wanted);
      draw();
      void describe(wanted);
      watch = follows(wanted);
      ticking = window.setInterval(() => drawElapsed(state, endedAt, Date.now()), 1_000);
    },
    close() {
      watch?.close();
      watch = null;
      id = null;
      clearInterval(ticking);
      delete section.dataset.job;
      delete section.dataset.status;
      post.clear();
      audio.clear();
      media.clear();
      events.clear();
      follow.reset();
      hooks.connection.clear();
    },
  };
}

/** A voiceover writes nothing; what it reads aloud is shown instead, when the title cuts it. */
function withReadableText(state: JobState): JobState {
  const said = state.kind === "voiceover" ? state.input?.text : "";
  const text = typeof said === "string" ? said : "";
  return text.length > 120 || text.includes("\n") ? { ...state, text } : state;
}

function lostBecause(id: string, status: number | null = null): string {
  return status === 401 || status === 403
    ? "You may not watch this job with this link."
    : `The server does not know ${id}. It may have been deleted, or it lives on another server.`;
}
