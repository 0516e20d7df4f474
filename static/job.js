// One job: watches it, folds its events, and shows what came of it.

import * as api from "./api.js";
import { audioPanel } from "./audio.js";
import { badge } from "./badge.js";
import { find, setText } from "./dom.js";
import { fileList, narrationFile } from "./files.js";
import { follower } from "./follow.js";
import { inspector } from "./inspector.js";
import { mediaPanel } from "./media.js";
import { postView } from "./post.js";
import { titleOf } from "./recent.js";
import { initialState, isMedia, isOver, overallPercent, reduce, wantsVoice, withJob } from "./state.js";
import { watch } from "./stream.js";
import { setWater } from "./water.js";
import { attemptNote, options, outcome, stage } from "./words.js";

/**
 * The job's part of the page.
 *
 * @param {HTMLElement} section
 * @param {object} hooks
 * @param {(id: string, state: object) => Promise} hooks.retry submits the same again
 * @param {(reason: string) => void} hooks.onLost the server does not know the job
 * @param {(id: string, state: object) => void} hooks.onChange the state was drawn
 */
export function jobView(section, { retry, onLost, onChange }) {
  const post = postView(find("#post"));
  const audio = audioPanel(find("#audio"));
  const media = mediaPanel(find("#media"));
  const files = fileList(find("#files"));
  const events = inspector(find("#inspector"));
  const follow = follower(find("#follow"), find("#post"));
  const connection = badge(find("#badge"));
  let id = null;
  let state = initialState();
  let watcher = null;
  let frame = null;
  let described = false;
  /** The row of the catalog that makes it, once it is known. */
  let model = null;
  let stopping = false;

  function dispatch(event) {
    events.add(event);
    const next = reduce(state, event);
    if (next === state) return;
    state = next;
    request();
  }

  /** Many events may come in one frame; the page is drawn once. */
  function request() {
    if (frame !== null) return;
    // A hidden tab gets no frames, but its title should still move.
    frame = document.hidden ? setTimeout(draw, 0) : requestAnimationFrame(draw);
  }

  function draw() {
    frame = null;
    if (id === null) return;
    drawHead();
    drawOutcome();
    const readable = withReadableText(state);
    post.update(readable);
    const isMade = isMedia(state);
    find("#post").hidden = isMade
      || (readable.text === "" && (state.kind === "voiceover" || isOver(state)));
    find("#media").hidden = !isMade;
    if (isMade) media.update(state, model);
    find("#post").lang = state.input?.language ?? "";
    const voiced = wantsVoice(state);
    find("#audio").hidden = !voiced;
    if (voiced) audio.update(state, narrationFile(state));
    files.update(state);
    setWater(state);
    follow.update(state);
    onChange(id, state);
  }

  function drawHead() {
    const { words, detail, announcement } = stage(state);
    const percent = overallPercent(state);
    const bar = find("#bar");
    section.dataset.status = state.status;
    setText(find("#job-title"), titleOf(state.input ?? { topic: "…" }, state.kind));
    setText(find("#job-options"), options(state, model));
    setText(find("#stage"), words);
    setText(find("#stage-detail"), detail);
    setText(find("#percent"), `${percent} %`);
    bar.style.setProperty("--filled", `${percent}%`);
    bar.setAttribute("aria-valuenow", percent);
    bar.setAttribute("aria-valuetext", `${words}, ${percent} %`);
    setText(find("#announce"), announcement);
    const running = isOver(state) ? "" : `${percent} % · `;
    const title = titleOf(state.input ?? { topic: "Job" }, state.kind).slice(0, 60);
    document.title = `${running}${title} · Tailwater`;
  }

  function drawOutcome() {
    const over = isOver(state);
    const cancel = find("#cancel");
    cancel.hidden = over;
    cancel.disabled = stopping;
    setText(cancel, stopping ? "Stopping…" : "Cancel");
    const again = find("#again");
    again.hidden = !over || !described || state.kind === "external";
    again.classList.toggle("primary", state.status !== "completed");
    setText(again, state.status === "completed" ? "Make another" : "Try again");
    show(find("#note"), attemptNote(state));
    show(find("#outcome"), outcome(state));
  }

  function say(problem) {
    show(find("#outcome"), `That did not work: ${problem.message}.`);
  }

  async function describe(wanted) {
    try {
      const job = await api.job(wanted);
      if (wanted !== id) return;
      described = true;
      state = withJob(state, job);
      request();
      if (isMedia(state) && model === null) void introduce(wanted, state.model);
    } catch (problem) {
      if (wanted === id && problem.status === 404) onLost(lostBecause(wanted));
    }
  }

  /** The model's title is welcome and not waited for; without it the slug stands there. */
  async function introduce(wanted, slug) {
    const row = await api.model(slug).catch(() => null);
    if (wanted !== id || row === null) return;
    model = row;
    request();
  }

  function whenPhase(phase) {
    connection.update(phase);
    if (phase.name === "gone") onLost(lostBecause(id, phase.reason));
    // The server may have been away when it was first asked.
    if (!described && (phase.name === "live" || phase.name === "ended")) void describe(id);
  }

  find("#cancel").addEventListener("click", async () => {
    stopping = true;
    request();
    try {
      await api.cancel(id);
    } catch (problem) {
      stopping = false;
      request();
      // It may have ended while the finger was on its way; its last event says so.
      if (problem.status !== 409) say(problem);
    }
  });
  find("#again").addEventListener("click", async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    await retry(id, state).catch(say);
    button.disabled = false;
  });
  find("#copy").addEventListener("click", (event) => copyAddress(event.currentTarget));

  return {
    /** Shows a job from its beginning. */
    open(wanted, addresses) {
      if (wanted === id) return;
      this.close();
      id = wanted;
      described = stopping = false;
      model = null;
      state = initialState();
      section.dataset.job = id;
      draw();
      void describe(id);
      watcher = watch({ ...addresses, onEvent: dispatch, onPhase: whenPhase });
      find("#job-title").focus({ preventScroll: true });
    },
    /** Lets the job go; nothing of it stays on the page, to be taken for the next one's. */
    close() {
      watcher?.close();
      watcher = null;
      id = null;
      delete section.dataset.job;
      delete section.dataset.status;
      post.clear();
      audio.clear();
      media.clear();
      events.clear();
      follow.reset();
      connection.clear();
    },
  };
}

/** A voiceover writes nothing; what it reads aloud is shown instead, when the title cuts it. */
function withReadableText(state) {
  const text = state.kind === "voiceover" ? (state.input?.text ?? "") : "";
  return text.length > 120 || text.includes("\n") ? { ...state, text } : state;
}

function show(element, text) {
  element.hidden = text === "";
  setText(element, text);
}

function lostBecause(id, reason = "") {
  const refused = /40[13]/.test(reason ?? "");
  return refused
    ? "You may not watch this job with this link."
    : `The server does not know ${id}. It may have been deleted, or it lives on another server.`;
}

async function copyAddress(button) {
  const before = button.textContent;
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  button.textContent = copied ? "Copied" : "Copy it from the address bar";
  setTimeout(() => { button.textContent = before; }, 2_000);
}
