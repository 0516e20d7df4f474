// Files that a job made, as links.

import { create, find } from "./dom.js";
import { isMedia, isOver, pictures } from "./state.js";
import { titleOf } from "./recent.js";

const NAMES = { markdown: "Markdown", html: "Web page", voice: "Narration" };
const ENDINGS = {
  "text/markdown": "md", "text/html": "html", "audio/wav": "wav", "audio/x-wav": "wav",
  "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/flac": "flac", "audio/aac": "aac",
  "video/mp4": "mp4", "video/webm": "webm", "video/quicktime": "mov", "image/png": "png",
  "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif",
};

/** A view of every file but the narration, videos and images, which have panels of their own. */
export function fileList(card) {
  const list = find("ul", card);
  const empty = find(".empty", card);
  /** What is listed, by the file's address: an entry that stays does not arrive again. */
  let entries = new Map();
  return {
    update(state) {
      const shown = isMedia(state) ? pictures(state) : [];
      const files = state.artifacts.filter((file) => file.kind !== "voice" && !shown.includes(file));
      const makesNone = state.kind === null || state.kind === "voiceover" || isMedia(state);
      card.hidden = files.length === 0 && (isOver(state) || makesNone);
      empty.hidden = files.length > 0;
      const before = entries;
      entries = new Map(files.map((file) => {
        const key = `${file.url} ${file.bytes} ${fileName(file, state)}`;
        return [key, before.get(key) ?? entry(file, state)];
      }));
      for (const [key, gone] of before) if (!entries.has(key)) gone.remove();
      for (const [key, fresh] of entries) if (!before.has(key)) list.append(fresh);
    },
  };
}

/** What the narration is called when it is saved, and how big it is. */
export function narrationFile(state) {
  const file = state.artifacts.find(({ id }) => id === state.narration?.artifactId)
    ?? state.artifacts.find(({ kind }) => kind === "voice");
  return { name: fileName(file ?? { media_type: "audio/wav" }, state), bytes: file?.bytes ?? 0 };
}

function entry(file, state) {
  const name = create("span", {}, NAMES[file.kind] ?? file.kind);
  const size = create("span", { class: "size" }, sizeOf(file.bytes));
  const link = { "href": file.url, "download": fileName(file, state), "data-kind": file.kind };
  return create("li", {}, create("a", link, name, size));
}

/** What a file is called when it is saved. */
export function fileName({ media_type = "" }, state) {
  const slug = titleOf(state.input, state.kind).toLowerCase().normalize("NFKD")
    .replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  const ending = ENDINGS[media_type.split(";")[0].trim()] ?? "bin";
  return `${slug || "tailwater"}.${ending}`;
}

/** A size as people say it. */
export function sizeOf(bytes = 0) {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
