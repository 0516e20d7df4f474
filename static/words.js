// The page's sentences about a state.

import { isMedia, wantsVoice } from "./state.js";

const LANGUAGES = typeof Intl.DisplayNames === "function"
  ? new Intl.DisplayNames(["en"], { type: "language", fallback: "code" })
  : null;

/** Words are counted with every frame; in a longer text that would be felt. */
const COUNTED_LIMIT = 100_000;

/** What the job is doing: a word, a detail, and what a screen reader is told once it changes. */
export function stage(state) {
  const words = stageWords(state);
  return { words, detail: stageDetail(state), announcement: announcement(state, words) };
}

function stageWords(state) {
  switch (state.status) {
    case "completed": return "Done";
    case "failed": return "Failed";
    case "canceled": return "Canceled";
    default:
  }
  const named = {
    queued: isQueuedThere(state) ? "Queued at the provider" : "Waiting",
    writing: "Writing", narrating: "Recording the narration", finishing: "Finishing",
  };
  return named[state.progress.stage] ?? capital(state.progress.stage || "Waiting");
}

/** Whether a job's turn has come here, and it waits for its turn at the provider. */
const isQueuedThere = (state) => isMedia(state) && state.status === "running" && state.progress.percent > 0;

/** What is happening to a video or an image while there is nothing to see, or nothing. */
export function makingOf(state) {
  if (state.status === "pending") return "It begins when its turn comes.";
  const thing = state.kind === "image" ? "image" : "video";
  const named = {
    starting: "The provider is being asked.",
    queued: isQueuedThere(state) ? "The provider is busy; its turn comes." : "The provider is being asked.",
    generating: `The ${thing} is being made.`,
    downloading: `The ${thing} is made and on its way here.`,
    finishing: `The ${thing} is here.`,
  };
  return named[state.progress.stage] ?? "";
}

/** What a job costs, as in `cost 0.28 credits`, or nothing. */
export function costWords({ what, micro }) {
  if (what === null) return "";
  if (what === "released") return "nothing was charged";
  return `${what} ${creditsOf(micro)} credits`;
}

/** Micro-credits as a decimal text with at least two decimals, exactly. */
function creditsOf(micro) {
  const digits = String(micro).padStart(7, "0");
  const decimals = digits.slice(-6).replace(/0{1,4}$/, "");
  return `${digits.slice(0, -6)}.${decimals}`;
}

function stageDetail(state) {
  const { stage: name, part, parts, message } = state.progress;
  if (state.end !== null) return wordCount(state);
  if (isQueuedThere(state)) return spoken(message);
  if (name === "queued" || state.status === "pending") {
    const place = state.queue?.position ?? 0;
    if (place < 1) return "";
    return place === 1 ? "next in line" : `place ${place} in line`;
  }
  if (name === "writing") return wordCount(state);
  if (name === "narrating" && parts > 1) return `part ${Math.min(parts, (part ?? 0) + 1)} of ${parts}`;
  return spoken(message);
}

/** What the worker says, unless it is a bar that the provider has drawn: ours is there already. */
const spoken = (message) => (message?.includes("%|") ? "" : (message ?? ""));

function wordCount({ text }) {
  if (text.length > COUNTED_LIMIT) return `${text.length.toLocaleString("en")} characters`;
  const words = text.match(/[\p{L}\p{N}][\p{L}\p{N}'’-]*/gu)?.length ?? 0;
  return words === 0 ? "" : `${words.toLocaleString("en")} ${words === 1 ? "word" : "words"}`;
}

function announcement(state, words) {
  if (state.status === "completed") return "Done.";
  if (state.narration !== null) return "The narration can be played.";
  return state.status === "failed" ? "" : `${words}.`;
}

const KINDS = { blog: "Blog post", voiceover: "Voiceover", lipsync: "Lip-sync" };

/** The options of a job, in a line; `model` is its row of the catalog, once that is known. */
export function options({ kind, input, model: slug }, model = null) {
  if (kind === null) return "\u00a0";
  const parts = [KINDS[kind] ?? capital(kind)];
  if (isMedia({ kind })) return [...parts, model?.title ?? slug].filter(Boolean).join(" · ");
  if (input?.language) parts.push(LANGUAGES?.of(input.language) ?? input.language);
  if (input?.tone) parts.push(input.tone);
  if (input?.words) parts.push(`about ${input.words} words`);
  return parts.join(" · ");
}

/** Why the text began again, or nothing. */
export function attemptNote(state) {
  if (state.attempt <= 1 || state.end?.type === "completed") return "";
  if (isMedia(state)) return `The server restarted and goes on with it, attempt ${state.attempt}.`;
  const what = wantsVoice(state) && state.kind === "voiceover" ? "reading" : "writing";
  return `The server restarted; ${what} again, attempt ${state.attempt}.`;
}

/** How the job ended when it did not end well, or nothing. */
export function outcome({ kind, end, text }) {
  if (end?.type === "failed") {
    const why = end.data.message || end.data.code || "no reason was given";
    const kept = text === "" ? "" : " What was written until then is kept below.";
    const hope = end.data.retryable ? " It may go better another time." : "";
    return `${capital(String(why)).replace(/\.?$/, ".")}${hope}${kept}`;
  }
  if (end?.type === "canceled") {
    if (isMedia({ kind })) return "Canceled before anything was made.";
    return text === "" ? "Canceled before anything was written." : "Canceled. What was written is kept below.";
  }
  return "";
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
