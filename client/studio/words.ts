// The page's sentences about a job.

import { isMedia, wantsVoice } from "../src/index.ts";
import type { JobState } from "../src/index.ts";
import type { Model } from "../src/types.ts";
import { KINDS, capital, sentence } from "./titles.ts";

/** Words are counted with every frame; in a longer text that would be felt. */
const COUNTED_LIMIT = 100_000;

const languages = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

/** What the job is doing: a word, a detail, and what a screen reader is told once it changes. */
export interface StageWords {
  readonly words: string;
  readonly detail: string;
  readonly announcement: string;
}

/** What the job is doing. */
export function stage(state: JobState): StageWords {
  const words = stageWords(state);
  return { words, detail: stageDetail(state), announcement: announcement(state, words) };
}

function stageWords(state: JobState): string {
  const ends: Readonly<Record<string, string>> = { completed: "Done", failed: "Failed", canceled: "Canceled" };
  const named: Readonly<Record<string, string>> = {
    queued: isQueuedThere(state) ? "Queued at the provider" : "Waiting",
    writing: "Writing", narrating: "Recording the narration", finishing: "Finishing",
  };
  const { stage: name } = state.progress;
  return ends[state.status] ?? named[name] ?? capital(name || "Waiting");
}

/** Whether a job's turn has come here, and it waits for its turn at the provider. */
const isQueuedThere = (state: JobState): boolean => isMedia(state) && state.status === "running"
  && state.progress.percent > 0;

/** What is happening to a video or an image while there is nothing to see, or nothing. */
export function makingOf(state: JobState): string {
  if (state.status === "pending") return "It begins when its turn comes.";
  const thing = state.kind === "image" ? "image" : "video";
  const named: Readonly<Record<string, string>> = {
    starting: "The provider is being asked.",
    queued: isQueuedThere(state) ? "The provider is busy; its turn comes." : "The provider is being asked.",
    generating: `The ${thing} is being made.`,
    downloading: `The ${thing} is made and on its way here.`,
    finishing: `The ${thing} is here.`,
  };
  return named[state.progress.stage] ?? "";
}

function stageDetail(state: JobState): string {
  const { stage: name, part, parts, message } = state.progress;
  if (state.end !== null) return wordCount(state);
  if (isQueuedThere(state)) return spoken(message);
  if (name === "queued" || state.status === "pending") return placeInLine(state.queue?.position ?? 0);
  if (name === "writing") return wordCount(state);
  if (name === "narrating" && parts !== null && parts > 1) return `part ${Math.min(parts, (part ?? 0) + 1)} of ${parts}`;
  return spoken(message);
}

/** A place in the queue, as people say it. */
export function placeInLine(position: number): string {
  if (position < 1) return "";
  return position === 1 ? "next in line" : `place ${position} in line`;
}

/** What the worker says, unless it is a bar that the provider has drawn: ours is there already. */
const spoken = (message: string | null): string => (message?.includes("%|") ? "" : (message ?? ""));

function wordCount({ text }: JobState): string {
  if (text.length > COUNTED_LIMIT) return `${text.length.toLocaleString("en")} characters`;
  const words = text.match(/[\p{L}\p{N}][\p{L}\p{N}'’-]*/gu)?.length ?? 0;
  return words === 0 ? "" : `${words.toLocaleString("en")} ${words === 1 ? "word" : "words"}`;
}

function announcement(state: JobState, words: string): string {
  if (state.status === "completed") return "Done.";
  if (state.narration !== null) return "The narration can be played.";
  return state.status === "failed" ? "" : `${words}.`;
}

/** What a job is introduced by. */
type Introduced = Pick<JobState, "kind" | "input" | "model">;

/** The options of a job, in a line; `model` is its row of the catalog, once that is known. */
export function options({ kind, input, model: slug }: Introduced, model: Pick<Model, "title"> | null = null): string {
  if (kind === null) return "\u00a0";
  const parts = [KINDS[kind]];
  if (isMedia({ kind })) return [...parts, model?.title ?? slug ?? ""].filter((part) => part !== "").join(" · ");
  if (typeof input?.language === "string") parts.push(languageOf(input.language));
  if (typeof input?.tone === "string") parts.push(input.tone);
  if (typeof input?.words === "number") parts.push(`about ${input.words} words`);
  return parts.join(" · ");
}

/** A language by its name; what is no code of one stays as it is. */
function languageOf(code: string): string {
  try {
    return languages.of(code) ?? code;
  } catch {
    return code;
  }
}

/** Why the text began again, or nothing. */
export function attemptNote(state: JobState): string {
  if (state.attempt <= 1 || state.end?.type === "completed") return "";
  if (isMedia(state)) return `The server restarted and goes on with it, attempt ${state.attempt}.`;
  const what = wantsVoice(state) && state.kind === "voiceover" ? "reading" : "writing";
  return `The server restarted; ${what} again, attempt ${state.attempt}.`;
}

/** How the job ended when it did not end well, or nothing. */
export function outcome({ kind, end, text }: Pick<JobState, "kind" | "end" | "text">): string {
  if (end?.type === "failed") {
    const { message, code, retryable } = end.data;
    const why = String(message || code || "no reason was given");
    const kept = text === "" ? "" : " What was written until then is kept below.";
    const hope = retryable === true ? " It may go better another time." : "";
    return `${sentence(why)}${hope}${kept}`;
  }
  if (end?.type === "canceled") {
    if (isMedia({ kind })) return "Canceled before anything was made.";
    return text === "" ? "Canceled before anything was written." : "Canceled. What was written is kept below.";
  }
  return "";
}
