// The player of a narration: play, seek, speed, the shape of the sound, the file itself.

import type { Narration } from "../src/index.ts";
import { find, setText } from "./dom.ts";
import { clock } from "./times.ts";
import { flatWave, waveOf } from "./wave.ts";

const SPEEDS = [1, 1.25, 1.5, 2] as const;
/** When a load fails, the next is tried after 1 s, 2 s, 4 s, at most half a minute. */
const RETRY_MS = 1_000;
const RETRY_MOST_MS = 30_000;
/** Five seconds a key, whatever the length, as players do. */
const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -5, ArrowRight: 5 };

/** Plays one narration at a time. */
export interface Player {
  load(narration: Narration, file: { readonly name: string; readonly bytes: number }): void;
  /** Plays, where the browser allows it; the button is there in any case. */
  play(): void;
  clear(): void;
}

/** Brings the controls inside `panel` to life. */
export function player(panel: HTMLElement): Player {
  const audio = find("audio", panel, HTMLAudioElement);
  const play = find(".play", panel);
  const seek = find("input[type=range]", panel, HTMLInputElement);
  const wave = find(".wave", panel);
  const speed = find(".speed", panel);
  let url: string | null = null;
  let durationMs: number | null = null;
  let bytes = 0;
  let failures = 0;
  let retry: number | undefined;

  /** The shape comes after what can be heard: both need the same file. */
  async function drawWave(): Promise<void> {
    if (url === null || wave.dataset.drawn !== undefined) return;
    const address = url;
    const path = await waveOf(address, bytes);
    if (address !== url) return;
    if (path !== null) setWave(path);
    wave.dataset.drawn = "";
  }

  function setWave(path: string): void {
    for (const shape of wave.querySelectorAll("path")) shape.setAttribute("d", path);
  }

  /** The network or the server was away: the element gives up on its first failure, this does not. */
  function loadAgain(): void {
    if (url === null) return;
    const position = audio.currentTime;
    const delay = Math.min(RETRY_MOST_MS, RETRY_MS * 2 ** failures);
    failures += 1;
    retry = window.setTimeout(() => {
      audio.load();
      audio.currentTime = position;
    }, delay);
  }

  /** The element's own duration, or until it is known, the server's. */
  const length = (): number => (Number.isFinite(audio.duration) ? audio.duration : (durationMs ?? 0) / 1000);

  function showTime(): void {
    const whole = length();
    const share = whole > 0 ? Math.min(1, audio.currentTime / whole) : 0;
    wave.style.setProperty("--played", `${share * 100}%`);
    seek.value = String(Math.round(share * 1000));
    seek.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(whole)}`);
    setText(find(".now", panel), clock(audio.currentTime));
    setText(find(".whole", panel), clock(whole));
  }

  function showPlaying(): void {
    panel.classList.toggle("playing", !audio.paused);
    play.setAttribute("aria-label", audio.paused ? "Play" : "Pause");
  }

  /** A browser that forbids it leaves the button as it is. */
  const begin = (): void => { audio.play().catch(showPlaying); };

  play.addEventListener("click", () => {
    if (audio.paused) begin();
    else audio.pause();
  });
  seek.addEventListener("input", () => {
    audio.currentTime = (Number(seek.value) / 1000) * length();
    showTime();
  });
  seek.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    audio.currentTime = Math.max(0, Math.min(length(), audio.currentTime + step));
  });
  speed.addEventListener("click", () => {
    const next = SPEEDS.find((faster) => faster > audio.playbackRate) ?? SPEEDS[0];
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
    load(narration, file) {
      const download = find(".download", panel, HTMLAnchorElement);
      download.download = file.name;
      if (url === narration.url) return;
      ({ url, durationMs } = narration);
      ({ bytes } = file);
      failures = 0;
      audio.src = url;
      setWave(flatWave());
      delete wave.dataset.drawn;
      download.href = url;
      showTime();
    },
    play: begin,
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
