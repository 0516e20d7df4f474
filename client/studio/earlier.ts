// Files of earlier jobs, to go on with: a narration for a face that speaks it, an image to animate.

import type { Kind } from "../src/index.ts";
import type { JobSummary, ModelInput } from "../src/types.ts";
import { create } from "./dom.ts";
import { PROJECT, server } from "./server.ts";
import { KINDS, titleOf } from "./titles.ts";

type Family = NonNullable<ModelInput["media"]>[number];

/** Which jobs make which files. */
const MAKERS: Readonly<Record<Family, readonly Kind[]>> = {
  image: ["image"], video: ["video", "lipsync"], audio: ["voiceover", "blog"],
};
/** What such a file is called among a job's files. */
const FILES: Readonly<Record<Family, string>> = { image: "image", video: "video", audio: "voice" };
const OFFERED = 40;

/** A list of earlier jobs that made such a file; `choose` gets the address of the file of one. */
export function earlierFiles(families: readonly Family[], choose: (url: string, title: string) => void): HTMLElement {
  const first = create("option", { value: "" }, "or from an earlier job");
  const list = create("select", { "aria-label": "From an earlier job", "class": "earlier" }, first);
  let asked = false;

  async function offer(): Promise<void> {
    if (asked) return;
    asked = true;
    const { jobs } = await server.list({ status: "completed", project_id: PROJECT, limit: 100 }).catch(() => ({ jobs: [] }));
    const fitting = jobs.filter((job) => families.some((family) => makes(job, family))).slice(0, OFFERED);
    if (fitting.length === 0) first.textContent = "no earlier job has one";
    list.append(...fitting.map(({ id, kind, input }) => (
      create("option", { value: id }, `${titleOf(input, kind).slice(0, 50)} · ${KINDS[kind]}`)
    )));
  }

  async function take(id: string): Promise<void> {
    const job = await server.get(id).catch(() => null);
    const file = job?.artifacts.find(({ kind }) => families.some((family) => FILES[family] === kind));
    list.value = "";
    if (job !== null && file !== undefined) choose(file.url, titleOf(job.input, job.kind));
  }

  list.addEventListener("focus", () => void offer());
  list.addEventListener("pointerdown", () => void offer());
  list.addEventListener("change", () => {
    if (list.value !== "") void take(list.value);
  });
  return list;
}

/** Whether a job made such a file: a blog post has a sound only when it was to be read aloud. */
function makes({ kind, input }: JobSummary, family: Family): boolean {
  return MAKERS[family].includes(kind) && (kind !== "blog" || input?.voiceover === true);
}
