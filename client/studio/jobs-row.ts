// A row of the list of jobs. It is made once and then only changed, so that nothing moves under the
// pointer and no picture is loaded twice.

import type { Kind } from "../src/index.ts";
import { jobAddress } from "./address.ts";
import { create, icon, setText } from "./dom.ts";
import { costWords } from "./money.ts";
import { creditsOfJob, percentOf } from "./project.ts";
import type { Listed } from "./project.ts";
import { STATUS_WORDS } from "./recent.ts";
import { ago, clock } from "./times.ts";
import { KINDS, titleOf } from "./titles.ts";
import { stage } from "./words.ts";

/** What a kind is drawn as until it has a picture of its own. */
const ICONS: Readonly<Record<Kind, string>> = {
  blog: "blog", voiceover: "narration", chat: "blog", video: "video", image: "image", lipsync: "lip-sync", external: "jobs",
};

/** A row, and what changes in it. */
export interface Row {
  readonly element: HTMLElement;
  update(job: Listed): void;
  /** The clock went on. */
  tick(now: number): void;
}

/** Makes the row of a job. */
export function jobRow(first: Listed): Row {
  const thumb = create("span", { class: "thumb" });
  const title = create("span", { class: "name" });
  const facts = create("span", { class: "facts" });
  const status = create("span", { class: "row-status" });
  const bar = create("span", { "class": "row-bar", "aria-hidden": "true" }, create("i"));
  const time = create("span", { class: "row-time" });
  const cost = create("span", { class: "row-cost" });
  const link = create(
    "a", { "href": jobAddress(first.id), "data-job": first.id },
    thumb,
    create("span", { class: "row-words" }, title, facts),
    create("span", { class: "row-state" }, status, bar),
    create("span", { class: "row-facts" }, time, cost),
  );
  let job = first;
  let drawnThumb = "";

  function drawThumb(): void {
    const { kind } = job.state;
    const wanted = job.file ?? (kind === null ? "" : ICONS[kind]);
    if (wanted === drawnThumb) return;
    drawnThumb = wanted;
    thumb.replaceChildren(job.file === null ? icon(wanted || "jobs") : picture(job.file, kind));
  }

  function tick(now: number): void {
    const { createdAt, end } = job.state;
    if (createdAt === null) return;
    setText(time, end === null ? clock((now - createdAt) / 1000) : ago(job.endedAt ?? createdAt, now));
  }

  return {
    element: create("li", {}, link),
    update(next) {
      job = next;
      const { state } = job;
      const percent = percentOf(job);
      link.dataset.status = state.status;
      link.dataset.kind = state.kind ?? "";
      setText(title, state.input === null ? "…" : titleOf(state.input, state.kind));
      setText(facts, factsOf(job));
      setText(status, state.end === null ? `${percent} % · ${stage(state).words}` : STATUS_WORDS[state.status]);
      bar.style.setProperty("--filled", `${percent}%`);
      setText(cost, costWords(creditsOfJob(job)));
      drawThumb();
    },
    tick,
  };
}

function factsOf({ state: { kind, model, end } }: Listed): string {
  const simulated = end?.data.simulated === true ? "simulated" : "";
  return [kind === null ? "" : KINDS[kind], model ?? "", simulated].filter((fact) => fact !== "").join(" · ");
}

/** A picture, or a video's first moment; neither is fetched before it is in sight. */
function picture(url: string, kind: Kind | null): HTMLElement {
  if (kind === "image") return create("img", { src: url, alt: "", loading: "lazy", decoding: "async" });
  const video = create("video", { "preload": "none", "muted": true, "playsinline": true, "aria-hidden": "true", "tabindex": -1 });
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    watcher.disconnect();
    video.preload = "metadata";
    // The fragment is the moment that is shown: the very first is often black.
    video.src = `${url}#t=0.5`;
  });
  watcher.observe(video);
  return video;
}
