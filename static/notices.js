// What is not real is said plainly: a simulated provider, or a tone where a voice should be.

import { create } from "./dom.js";

/** Fills the banner from `GET /api/info`; hides it when everything is real. */
export function showNotices(banner, { simulated = [], voice = null }) {
  const lines = [];
  if (simulated.length > 0) lines.push(simulation(simulated));
  if (voice?.kind === "tone") lines.push(tone(voice));
  banner.replaceChildren(...lines);
  banner.hidden = lines.length === 0;
}

function simulation(simulated) {
  const text = simulated.includes("chat");
  const speech = simulated.includes("speech");
  const what = text && speech ? "The text and the narration come" : text ? "The text comes" : "The narration comes";
  return line(
    create("strong", {}, "Simulated. "),
    `${what} from a simulator inside this server, not from a model.`,
    how(
      "Use a real model",
      "Start the server with ", code("OPENAI_API_KEY"), ", or with ", code("OPENAI_BASE_URL"),
      " for Ollama, vLLM, llama.cpp or anything else that speaks the same protocol.",
    ),
  );
}

function tone({ note }) {
  return line(
    create("strong", {}, "No voice. "),
    "Narrations are a test tone on this server.",
    how(
      "Get a voice",
      note ? `${note} ` : "",
      "Build ", code("tailwater-voice"), " beside the server (", code("cargo build --release"),
      " builds both), or install ", code("espeak-ng"), ", then start the server again.",
    ),
  );
}

const line = (...children) => create("div", { class: "notice" }, ...children);
const code = (text) => create("code", {}, text);
const how = (title, ...children) => create(
  "details", {}, create("summary", {}, title), create("p", {}, ...children),
);
