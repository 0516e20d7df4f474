// The form: what to make, and what the server has to say about it.

import { create, find, setText } from "./dom.js";
import { freshKey } from "./api.js";

const EXAMPLES = [
  "Why rivers meander",
  "A beginner's guide to sourdough",
  "What makes a city walkable",
  "How lighthouses shaped the coast",
  "The quiet art of repairing things",
];

/** What a field is called in a sentence of the server's. */
const NAMES = {
  topic: "The topic", text: "The text", language: "The language", tone: "The tone",
  words: "The length", voiceover: "The narration", voice: "The voice",
};

/** Brings the form to life; `submit(body, key)` sends it. */
export function composeView(form, { submit }) {
  const field = (name) => find(`[data-field="${name}"]`, form);
  const control = (name) => form.elements.namedItem(name);
  const button = find("#generate");
  /** One key for each thing asked for: after a lost answer the same key gets the same job. */
  let sent = { body: "", key: "" };

  function showKind() {
    const kind = control("kind").value;
    for (const part of form.querySelectorAll("[data-kind]")) {
      part.hidden = part.dataset.kind !== kind;
    }
    setText(button, kind === "blog" ? "Generate" : "Read aloud");
    showNarration();
  }

  function showNarration() {
    const spoken = control("kind").value === "voiceover" || control("voiceover").checked;
    control("voice").disabled = !spoken;
  }

  function showWords() {
    const { value, min, max } = control("words");
    control("words").style.setProperty("--share", `${(100 * (value - min)) / (max - min)}%`);
    setText(find("#words-shown"), `${value} words`);
  }

  function clearErrors() {
    for (const error of form.querySelectorAll(".error")) error.hidden = true;
    for (const invalid of form.querySelectorAll("[aria-invalid]")) invalid.removeAttribute("aria-invalid");
  }

  function showProblem(problem) {
    const others = [];
    let first = null;
    for (const { pointer = "", detail } of problem.errors ?? []) {
      const name = pointer.split("/").at(-1);
      if (NAMES[name] === undefined || field(name).hidden) {
        others.push(`${pointer}: ${detail}`);
        continue;
      }
      showFieldError(name, detail);
      first ??= control(name);
    }
    if (first === null && others.length === 0) others.push(advice(problem));
    if (others.length > 0) {
      const error = find("#form-error");
      error.textContent = others.join("\n");
      error.hidden = false;
    }
    first?.focus();
  }

  function showFieldError(name, detail) {
    const error = find(`#${name}-error`);
    error.textContent = `${NAMES[name]} ${detail}.`.replace(/\.\.$/, ".");
    error.hidden = false;
    control(name).setAttribute("aria-invalid", "true");
  }

  async function send(event) {
    event.preventDefault();
    if (button.disabled) return;
    clearErrors();
    const body = read(control);
    const text = JSON.stringify(body);
    if (sent.body !== text) sent = { body: text, key: freshKey() };
    button.disabled = true;
    form.classList.add("sending");
    try {
      await submit(body, sent.key);
      sent = { body: "", key: "" };
    } catch (problem) {
      showProblem(problem);
    } finally {
      button.disabled = false;
      form.classList.remove("sending");
    }
  }

  find("#examples").append(...EXAMPLES.map((topic) => {
    const chip = create("button", { type: "button", class: "chip" }, topic);
    chip.addEventListener("click", () => {
      control("topic").value = topic;
      control("topic").focus();
    });
    return chip;
  }));
  form.addEventListener("submit", send);
  form.addEventListener("input", showWords);
  form.addEventListener("change", showKind);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  // A reload may have kept what was chosen.
  showKind();
  showWords();

  return {
    /** Puts the keyboard where the topic goes; on a phone that would raise the keyboard. */
    focus() {
      if (matchMedia("(pointer: fine)").matches) control("topic").focus({ preventScroll: true });
    },
    /** Fills the list of voices: names, or `{id, name}`. */
    offerVoices(voices) {
      const options = voices.map((voice) => {
        const id = typeof voice === "string" ? voice : voice.id;
        const name = typeof voice === "string" ? capital(voice) : (voice.name ?? capital(voice.id));
        return create("option", { value: id }, name);
      });
      control("voice").append(...options);
    },
  };
}

/** The body of the submit; nothing is checked here, the server says it better. */
function read(control) {
  const kind = control("kind").value;
  const voice = control("voice").value;
  const language = control("language").value;
  const spoken = voice === "" ? {} : { voice };
  if (kind === "voiceover") {
    return { kind, input: { text: control("text").value, language, ...spoken } };
  }
  const voiceover = control("voiceover").checked;
  const input = {
    topic: control("topic").value,
    language,
    tone: control("tone").value,
    words: Number(control("words").value),
    voiceover,
    ...(voiceover ? spoken : {}),
  };
  return { kind, input };
}

/** What to do about a problem that belongs to no field. */
function advice(problem) {
  const sentence = capital(problem.message).replace(/\.?$/, ".");
  if (problem.code === "unreachable") return `${sentence} Nothing is lost: press the button again.`;
  if (problem.retryAfter) return `${sentence} Try again in ${problem.retryAfter} s.`;
  return sentence;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
