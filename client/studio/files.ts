// Files that a job made, as links.

import { isMedia, isOver, pictures } from "../src/index.ts";
import type { Artifact, JobState } from "../src/index.ts";
import { create, find } from "./dom.ts";
import type { NarrationFile } from "./audio.ts";
import { fileName, sizeOf } from "./titles.ts";

const NAMES: Readonly<Record<string, string>> = { markdown: "Markdown", html: "Web page", voice: "Narration" };

/** A view of every file but the narration, videos and images, which have panels of their own. */
export function fileList(card: HTMLElement): { update(state: JobState): void } {
  const list = find("ul", card);
  const empty = find(".empty", card);
  /** What is listed, by the file's address: an entry that stays does not arrive again. */
  let entries = new Map<string, HTMLElement>();
  return {
    update(state) {
      const shown = isMedia(state) ? pictures(state) : [];
      const files = state.artifacts.filter((file) => file.kind !== "voice" && !shown.includes(file));
      const makesNone = state.kind === null || state.kind === "voiceover" || isMedia(state);
      card.hidden = files.length === 0 && (isOver(state) || makesNone);
      empty.hidden = files.length > 0;
      const before = entries;
      entries = new Map(files.map((file) => {
        const key = `${file.url} ${file.bytes} ${nameOf(file, state)}`;
        return [key, before.get(key) ?? entry(file, state)];
      }));
      for (const [key, gone] of before) if (!entries.has(key)) gone.remove();
      for (const [key, fresh] of entries) if (!before.has(key)) list.append(fresh);
    },
  };
}

/** What a file of a job is called when it is saved. */
export const nameOf = (file: Artifact, { input, kind }: JobState): string => fileName(file.media_type, input, kind);

/** What the narration is called when it is saved, and how big it is. */
export function narrationFile(state: JobState): NarrationFile {
  const { artifacts, narration, input, kind } = state;
  const file = artifacts.find(({ id }) => id === narration?.artifactId) ?? artifacts.find((other) => other.kind === "voice");
  return { name: fileName(file?.media_type ?? "audio/wav", input, kind), bytes: file?.bytes ?? 0 };
}

function entry(file: Artifact, state: JobState): HTMLElement {
  const name = create("span", {}, NAMES[file.kind] ?? file.kind);
  const size = create("span", { class: "size" }, sizeOf(file.bytes));
  const link = { "href": file.url, "download": nameOf(file, state), "data-kind": file.kind };
  return create("li", {}, create("a", link, name, size));
}
