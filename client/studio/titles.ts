// What a job is called, and what its files are called when they are saved.

import type { Kind } from "../src/index.ts";

/** The kinds of jobs, as people call them. */
export const KINDS: Readonly<Record<Kind, string>> = {
  blog: "Blog post", voiceover: "Narration", chat: "Chat", video: "Video", image: "Image", lipsync: "Lip-sync",
  external: "External",
};

const ENDINGS: Readonly<Record<string, string>> = {
  "text/markdown": "md", "text/html": "html", "audio/wav": "wav", "audio/x-wav": "wav",
  "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/flac": "flac", "audio/aac": "aac",
  "video/mp4": "mp4", "video/webm": "webm", "video/quicktime": "mov", "image/png": "png",
  "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif",
};

/** As long as a title may be. */
const LINE = 140;

/** A job's input, whole or as a list shortens it. */
type Input = Readonly<Record<string, unknown>> | null;

/** What a job is about, in a line. Models have their own names for a prompt, and some take none. */
export function titleOf(input: Input, kind: Kind | null = null): string {
  const said = [input?.topic, input?.prompt, input?.promptText, input?.text, input?.title, lastMessage(input)]
    .find((words) => typeof words === "string" && words.trim() !== "");
  if (typeof said === "string") return shortened(said.trim().replace(/\s+/g, " "));
  if (kind === "video" || kind === "image" || kind === "lipsync") return `${KINDS[kind]} without a prompt`;
  if (kind === "chat") return KINDS.chat;
  return kind === "external" ? "External job" : "Untitled";
}

/** What a conversation was last asked. */
function lastMessage(input: Input): unknown {
  const messages: readonly unknown[] = Array.isArray(input?.messages) ? input.messages : [];
  const last = messages.at(-1);
  return typeof last === "object" && last !== null && "content" in last ? last.content : undefined;
}

/** A line, cut between two words where it is too long for one. */
function shortened(text: string): string {
  if (text.length <= LINE) return text;
  const cut = text.slice(0, LINE);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(" "), LINE / 2))}…`;
}

/** What a file is called when it is saved. */
export function fileName(mediaType: string, input: Input, kind: Kind | null): string {
  const slug = titleOf(input, kind).toLowerCase().normalize("NFKD").replace(/\p{M}+/gu, "")
    .replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  const ending = ENDINGS[mediaType.split(";")[0]?.trim() ?? ""] ?? "bin";
  return `${slug || "tailwater"}.${ending}`;
}

/** A size as people say it. */
export function sizeOf(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** A text that begins a sentence. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A text that ends one. */
export const sentence = (text: string): string => capital(text).replace(/(?<![.!?…])$/, ".");
