// Videos and images: a quiet frame while they are made, then what was made, in the same place.

import { clock } from "./audio.js";
import { create, find, setText } from "./dom.js";
import { fileName, sizeOf } from "./files.js";
import { titleOf } from "./recent.js";
import { costOf, isOver, overallPercent, pictures } from "./state.js";
import { costWords, makingOf } from "./words.js";

/** When a load fails, the next is tried after 1 s, 2 s, 4 s, at most half a minute. */
const RETRY_MS = 1_000;
const RETRY_MOST_MS = 30_000;

/** Shapes beyond these are shown as these. */
const NARROWEST = 9 / 21;
const WIDEST = 21 / 9;

/** A view of the results inside `panel`. */
export function mediaPanel(panel) {
  const frame = find(".frame", panel);
  const list = find(".pictures", panel);
  /** What is shown, by the file's address and size: what stays is not loaded again. */
  let entries = new Map();

  function showFrame(state, made) {
    frame.hidden = made.length > 0 || isOver(state);
    if (frame.hidden) return;
    frame.style.setProperty("--ratio", ratioOf(state.input, state.kind));
    frame.style.setProperty("--filled", `${overallPercent(state)}%`);
    setText(find("p", frame), makingOf(state));
  }

  function showPictures(state, made) {
    const before = entries;
    entries = new Map(made.map((file, index) => {
      const key = `${state.revision} ${file.url} ${file.bytes}`;
      return [key, before.get(key) ?? entry(file, state, index)];
    }));
    for (const [key, gone] of before) if (!entries.has(key)) gone.remove();
    for (const [key, fresh] of entries) if (!before.has(key)) list.append(fresh);
  }

  return {
    /** Shows a state of `state.js`; `model` is its row of the catalog, or null. */
    update(state, model) {
      // The text of a file's name and alternative comes from the input.
      const made = state.input === null ? [] : pictures(state);
      showFrame(state, made);
      showPictures(state, made);
      const result = state.end?.type === "completed" ? state.end.data : null;
      find(".simulated", panel).hidden = !(result === null ? model?.simulated : result.simulated);
      setText(find(".cost", panel), costWords(costOf(state)));
      setText(find(".slug", panel), state.model ?? "");
    },
    /** Stops and forgets: another job is shown. */
    clear() {
      for (const shown of entries.values()) shown.remove();
      entries = new Map();
    },
  };
}

function entry(file, state, index) {
  const name = fileName(file, state).replace(/(?=\.\w+$)/, index === 0 ? "" : `-${index + 1}`);
  const link = { class: "download", href: file.url, download: name };
  return create(
    "li", { "data-kind": file.kind },
    picture(file, titleOf(state.input, state.kind)),
    create("p", { class: "picture-facts" }, create("span", {}, factsOf(file)), create("a", link, "Download")),
  );
}

function picture(file, title) {
  const { width, height } = file;
  const size = width > 0 && height > 0 ? { width, height } : {};
  const element = file.kind === "video"
    ? create("video", { "controls": true, "playsinline": true, "preload": "metadata", "aria-label": title, ...size })
    : create("img", { alt: title, decoding: "async", ...size });
  if (width > 0 && height > 0) element.style.setProperty("--ratio", String(width / height));
  loadPatiently(element, file.url);
  return element;
}

/** The network or the server may be away: an element gives up on its first failure, this does not. */
function loadPatiently(element, url) {
  let failures = 0;
  element.addEventListener("error", () => {
    const position = element.currentTime;
    const delay = Math.min(RETRY_MOST_MS, RETRY_MS * 2 ** failures);
    failures += 1;
    setTimeout(() => {
      if (!element.isConnected) return;
      element.src = url;
      if (position > 0) element.currentTime = position;
    }, delay);
  });
  for (const name of ["load", "loadedmetadata"]) element.addEventListener(name, () => { failures = 0; });
  element.src = url;
}

function factsOf({ width, height, duration_ms, bytes }) {
  const facts = width > 0 && height > 0 ? [`${width} × ${height}`] : [];
  if (duration_ms > 0) facts.push(clock(duration_ms / 1000));
  return [...facts, sizeOf(bytes)].join(" · ");
}

/** Width to height as the input asks for it, before there is a file that tells. */
function ratioOf(input, kind) {
  const { width, height, aspect_ratio, ratio, size } = input ?? {};
  const said = [aspect_ratio, ratio, size, `${width}:${height}`]
    .map((text) => /^(\d+)[:*x](\d+)$/.exec(text)).find(Boolean);
  const wanted = said ? said[1] / said[2] : kind === "image" ? 4 / 3 : 16 / 9;
  return String(Math.min(WIDEST, Math.max(NARROWEST, wanted || 1)));
}
