// The audio panel: how far the narration is, then the narration itself, at once.

import { find, setText } from "./dom.js";
import { narrationProgress } from "./state.js";
import { flatWave, waveOf } from "./wave.js";

/** More parts than this are drawn as one bar. */
const PARTS_DRAWN = 24;
const SPEEDS = [1, 1.25, 1.5, 2];
/** When a load fails, the next is tried after 1 s, 2 s, 4 s, at most half a minute. */
const RETRY_MS = 1_000;
const RETRY_MOST_MS = 30_000;

/** A view of the narration inside `panel`. */
export function audioPanel(panel) {
  const making = find(".audio-making", panel);
  const ready = find(".audio-ready", panel);
  const parts = find(".parts", panel);
  const audio = find("audio", panel);
  const play = find(".play", panel);
  const seek = find("input[type=range]", panel);
  const wave = find(".wave", panel);
  const speed = find(".speed", panel);
  let url = null;
  let durationMs = null;
  let bytes = 0;
  let failures = 0;
  let retry = null;

  function showMaking({ phase, percent, part, parts: count }) {
    const words = {
      waiting: "Begins when the text is written.",
      making: count > 1 ? `Recording, part ${Math.min(count, (part ?? 0) + 1)} of ${count}` : "Recording",
      absent: "No narration was made.",
    };
    setText(find(".audio-stage", panel), words[phase]);
    panel.dataset.phase = phase;
    parts.hidden = phase === "absent";
    parts.setAttribute("aria-valuenow", percent);
    drawParts(part ?? 0, count ?? 1, percent);
  }

  function drawParts(part, count, percent) {
    const drawn = count > PARTS_DRAWN ? 1 : Math.max(1, count);
    while (parts.childElementCount > drawn) parts.lastElementChild.remove();
    while (parts.childElementCount < drawn) parts.append(document.createElement("i"));
    [...parts.children].forEach((segment, index) => {
      segment.classList.toggle("done", drawn > 1 && index < part);
      segment.classList.toggle("active", index === part || drawn === 1);
      segment.style.setProperty("--filled", drawn === 1 ? `${percent}%` : "0%");
    });
  }

  function showReady(narration, file) {
    panel.dataset.phase = "ready";
    const download = find(".download", panel);
    setText(find(".voice", panel), narration.voice ? `Voice: ${narration.voice}` : "");
    download.setAttribute("download", file.name);
    if (url === narration.url) return;
    url = narration.url;
    durationMs = narration.durationMs;
    bytes = file.bytes;
    failures = 0;
    audio.src = url;
    setWave(flatWave());
    delete wave.dataset.drawn;
    download.href = url;
    setText(find(".whole", panel), clock((durationMs ?? 0) / 1000));
  }

  /** The shape comes after what can be heard: both need the same file. */
  async function drawWave() {
    if (url === null || wave.dataset.drawn !== undefined) return;
    const address = url;
    const path = await waveOf(address, bytes);
    if (address !== url) return;
    if (path !== null) setWave(path);
    wave.dataset.drawn = "";
  }

  function setWave(path) {
    for (const shape of wave.querySelectorAll("path")) shape.setAttribute("d", path);
  }

  /** The network or the server was away: the element gives up on its first failure, this does not. */
  function loadAgain() {
    if (url === null) return;
    const position = audio.currentTime;
    const delay = Math.min(RETRY_MOST_MS, RETRY_MS * 2 ** failures);
    failures += 1;
    retry = setTimeout(() => {
      audio.load();
      audio.currentTime = position;
    }, delay);
  }

  /** The element's own duration, or until it is known, the server's. */
  const length = () => (Number.isFinite(audio.duration) ? audio.duration : (durationMs ?? 0) / 1000);

  function showTime() {
    const whole = length();
    const share = whole > 0 ? Math.min(1, audio.currentTime / whole) : 0;
    wave.style.setProperty("--played", `${share * 100}%`);
    seek.value = String(Math.round(share * 1000));
    seek.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(whole)}`);
    setText(find(".now", panel), clock(audio.currentTime));
    setText(find(".whole", panel), clock(whole));
  }

  function showPlaying() {
    panel.classList.toggle("playing", !audio.paused);
    play.setAttribute("aria-label", audio.paused ? "Play" : "Pause");
  }

  play.addEventListener("click", () => {
    if (audio.paused) audio.play().catch(showPlaying);
    else audio.pause();
  });
  seek.addEventListener("input", () => {
    audio.currentTime = (Number(seek.value) / 1000) * length();
    showTime();
  });
  seek.addEventListener("keydown", (event) => {
    // Five seconds a key, whatever the length, as players do.
    const step = { ArrowLeft: -5, ArrowRight: 5 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    audio.currentTime = Math.max(0, Math.min(length(), audio.currentTime + step));
  });
  speed.addEventListener("click", () => {
    const next = SPEEDS[(SPEEDS.indexOf(audio.playbackRate) + 1) % SPEEDS.length];
    audio.playbackRate = audio.defaultPlaybackRate = next;
    setText(speed, `${next}×`);
    speed.setAttribute("aria-label", `Playing speed ${next}`);
  });
  for (const name of ["timeupdate", "seeking", "durationchange"]) audio.addEventListener(name, showTime);
  audio.addEventListener("loadedmetadata", () => {
    failures = 0;
    void drawWave();
  });
  audio.addEventListener("error", loadAgain);
  for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, showPlaying);

  return {
    /** Shows a state of `state.js`; `file` is `{name, bytes}` of the narration. */
    update(state, file) {
      const progress = narrationProgress(state);
      making.hidden = progress.phase === "ready";
      ready.hidden = progress.phase !== "ready";
      if (progress.phase === "ready") showReady(state.narration, file);
      else showMaking(progress);
      if (progress.phase !== "ready" && url !== null) this.clear();
    },
    /** Stops and forgets: another job is shown, or the narration is made anew. */
    clear() {
      if (url === null) return;
      url = null;
      clearTimeout(retry);
      audio.pause();
      audio.removeAttribute("src");
      audio.load();
      // Its own `pause` event does not survive the load.
      showPlaying();
      showTime();
    },
  };
}

/** Seconds as `1:05`. */
export function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
