// The page's sentences about a state.

import { wantsVoice } from "./state.js";

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
    queued: "Waiting", writing: "Writing", narrating: "Recording the narration", finishing: "Finishing",
  };
  return named[state.progress.stage] ?? capital(state.progress.stage || "Waiting");
}

function stageDetail(state) {
  const { stage: name, part, parts, message } = state.progress;
  if (state.end !== null) return wordCount(state);
  if (name === "queued" || state.status === "pending") {
    const place = state.queue?.position ?? 0;
    if (place < 1) return "";
    return place === 1 ? "next in line" : `place ${place} in line`;
  }
  if (name === "writing") return wordCount(state);
  if (name === "narrating" && parts > 1) return `part ${Math.min(parts, (part ?? 0) + 1)} of ${parts}`;
  return message ?? "";
}

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

/** The options of a job, in a line. */
export function options({ kind, input }) {
  if (kind === null) return "\u00a0";
  const parts = [{ blog: "Blog post", voiceover: "Voiceover" }[kind] ?? capital(kind)];
  if (input?.language) parts.push(LANGUAGES?.of(input.language) ?? input.language);
  if (input?.tone) parts.push(input.tone);
  if (input?.words) parts.push(`about ${input.words} words`);
  return parts.join(" · ");
}

/** Why the text began again, or nothing. */
export function attemptNote(state) {
  if (state.attempt <= 1 || state.end?.type === "completed") return "";
  const what = wantsVoice(state) && state.kind === "voiceover" ? "reading" : "writing";
  return `The server restarted; ${what} again, attempt ${state.attempt}.`;
}

/** How the job ended when it did not end well, or nothing. */
export function outcome({ end, text }) {
  if (end?.type === "failed") {
    const why = end.data.message || end.data.code || "no reason was given";
    const kept = text === "" ? "" : " What was written until then is kept below.";
    const hope = end.data.retryable ? " It may go better another time." : "";
    return `${capital(String(why)).replace(/\.?$/, ".")}${hope}${kept}`;
  }
  if (end?.type === "canceled") {
    return text === "" ? "Canceled before anything was written." : "Canceled. What was written is kept below.";
  }
  return "";
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
