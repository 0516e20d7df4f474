// Videos and images: a quiet frame while they are made, then what was made, in the same place.

import { costOf, isOver, overallPercent, pictures } from "../src/index.ts";
import type { Artifact, JobState } from "../src/index.ts";
import type { Model } from "../src/types.ts";
import { sectionAddress } from "./address.ts";
import { arrange, create, find, setText } from "./dom.ts";
import { nameOf } from "./files.ts";
import { costWords, creditsOf } from "./money.ts";
import { loadPatiently } from "./patience.ts";
import { clock } from "./times.ts";
import { sizeOf, titleOf } from "./titles.ts";
import { makingOf } from "./words.ts";

/** Shapes beyond these are shown as these. */
const NARROWEST = 9 / 21;
const WIDEST = 21 / 9;

/** A view of what a model makes. */
export interface MediaPanel {
  /** `model` is its row of the catalog, or null while that is not known. */
  update(state: JobState, model: Model | null): void;
  /** Stops and forgets: another job is shown. */
  clear(): void;
}

/** A view of the results inside `panel`. */
export function mediaPanel(panel: HTMLElement): MediaPanel {
  const frame = find(".frame", panel);
  const list = find(".pictures", panel);
  /** What is shown, by the file's address and size: what stays is not loaded again. */
  let entries = new Map<string, HTMLElement>();

  function showFrame(state: JobState, made: readonly Artifact[]): void {
    frame.hidden = made.length > 0 || isOver(state);
    if (frame.hidden) return;
    frame.style.setProperty("--ratio", ratioOf(state));
    frame.style.setProperty("--filled", `${overallPercent(state)}%`);
    setText(find("p", frame), makingOf(state));
  }

  function showPictures(state: JobState, made: readonly Artifact[]): void {
    const before = entries;
    entries = new Map(made.map((file, index) => {
      const key = `${state.revision} ${file.url} ${file.bytes}`;
      return [key, before.get(key) ?? entry(file, state, index)];
    }));
    arrange(list, [...entries.values()]);
  }

  return {
    update(state, model) {
      // The text of a file's name and alternative comes from the input.
      const made = state.input === null ? [] : pictures(state);
      showFrame(state, made);
      showPictures(state, made);
      showCredits(panel, state);
      find(".simulated", panel).hidden = !isSimulated(state, model);
      setText(find(".slug", panel), state.model ?? "");
    },
    clear() {
      entries = new Map();
      list.replaceChildren();
    },
  };
}

/** Whether what is made comes from a simulator: the result says so, and before it the model. */
const isSimulated = ({ end }: JobState, model: Model | null): boolean => (
  end?.type === "completed" ? end.data.simulated === true : model?.simulated === true
);

/** Credits are held, then taken or given back, before one's eyes. */
function showCredits(panel: HTMLElement, state: JobState): void {
  const cost = costOf(state);
  const purse = find(".purse", panel);
  const held = state.hold ?? 0;
  const taken = cost.what === "cost" && held > 0 ? Math.min(1, cost.micro / held) : cost.what === "held" ? 1 : 0;
  const returned = cost.what === "cost" ? held - cost.micro : cost.what === "released" ? held : 0;
  purse.hidden = held <= 0;
  purse.dataset.what = cost.what ?? "nothing";
  purse.style.setProperty("--taken", `${taken * 100}%`);
  setText(find(".cost", panel), costWords(cost));
  setText(find(".returned", panel), returned > 0 && state.end !== null ? `${creditsOf(returned)} given back` : "");
}

function entry(file: Artifact, state: JobState, index: number): HTMLElement {
  const name = nameOf(file, state).replace(/(?=\.\w+$)/, index === 0 ? "" : `-${index + 1}`);
  const further = file.kind === "image"
    ? [next("Animate it", "video", file.url), next("Make it speak", "lip-sync", file.url)]
    : [];
  return create(
    "li", { "data-kind": file.kind },
    picture(file, titleOf(state.input, state.kind)),
    create(
      "p", { class: "picture-facts" }, create("span", {}, factsOf(file)), ...further,
      create("a", { class: "download", href: file.url, download: name }, "Download"),
    ),
  );
}

/** What could be made of an image next. */
const next = (words: string, section: "video" | "lip-sync", url: string): HTMLElement => (
  create("a", { class: "next", href: sectionAddress(section, { image: url }) }, words)
);

function picture(file: Artifact, title: string): HTMLElement {
  const { width = 0, height = 0 } = file;
  const size = width > 0 && height > 0 ? { width, height } : {};
  const element = file.kind === "video"
    ? create("video", { "controls": true, "playsinline": true, "preload": "metadata", "aria-label": title, ...size })
    : create("img", { alt: title, decoding: "async", ...size });
  if (width > 0 && height > 0) element.style.setProperty("--ratio", String(width / height));
  loadPatiently(element, file.url);
  return element;
}

function factsOf({ width = 0, height = 0, duration_ms: duration = 0, bytes }: Artifact): string {
  const facts = width > 0 && height > 0 ? [`${width} × ${height}`] : [];
  if (duration > 0) facts.push(clock(duration / 1000));
  return [...facts, sizeOf(bytes)].join(" · ");
}

/** Width to height as the input asks for it, before there is a file that tells. */
function ratioOf({ input, kind }: JobState): string {
  const { width, height, aspect_ratio: aspect, ratio, size } = input ?? {};
  const said = [aspect, ratio, size, `${String(width)}:${String(height)}`]
    .map((text) => /^(\d+)[:*x](\d+)$/.exec(String(text))).find((found) => found !== null);
  const wanted = said ? Number(said[1]) / Number(said[2]) : kind === "image" ? 4 / 3 : 16 / 9;
  return String(Math.min(WIDEST, Math.max(NARROWEST, wanted || 1)));
}
