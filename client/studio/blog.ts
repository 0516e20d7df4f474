// The forms of blog posts and narrations.

import { create, find, setText } from "./dom.ts";
import { submitForm } from "./form.ts";
import type { Submit } from "./form.ts";
import { capital } from "./titles.ts";

const EXAMPLES = [
  "Why rivers meander",
  "A beginner's guide to sourdough",
  "What makes a city walkable",
  "How lighthouses shaped the coast",
  "The quiet art of repairing things",
] as const;

const LANGUAGES: Readonly<Record<string, string>> = {
  en: "English", de: "Deutsch", fr: "Français", es: "Español", it: "Italiano", pt: "Português", nl: "Nederlands",
};

/** A section that asks for something to be made. */
export interface Section {
  /** It is shown, with what the address says. */
  show(query: URLSearchParams): void;
}

/** Brings the form of a blog post to life. */
export function blogSection(section: HTMLElement, submit: Submit): Section {
  const form = find("form", section, HTMLFormElement);
  const topic = find("#topic", form, HTMLTextAreaElement);
  const words = find("#words", form, HTMLInputElement);
  const voiceover = find("#voiceover", form, HTMLInputElement);
  const [language, tone, voice] = ["#language", "#tone", "#voice"]
    .map((selector) => find(selector, form, HTMLSelectElement));

  function showChoices(): void {
    const { value, min, max } = words;
    words.style.setProperty("--share", `${(100 * (Number(value) - Number(min))) / (Number(max) - Number(min))}%`);
    setText(find("#words-shown"), `${value} words`);
    if (voice !== undefined) voice.disabled = !voiceover.checked;
  }

  offerLanguages(form);
  find("#examples").append(...EXAMPLES.map((example) => {
    const chip = create("button", { type: "button", class: "chip" }, example);
    chip.addEventListener("click", () => {
      topic.value = example;
      topic.focus();
    });
    return chip;
  }));
  form.addEventListener("input", showChoices);
  submitForm(form, {
    submit,
    read: () => ({
      kind: "blog",
      input: {
        topic: topic.value,
        words: Number(words.value),
        voiceover: voiceover.checked,
        ...(language !== undefined && { language: language.value }),
        ...(tone !== undefined && { tone: tone.value }),
        ...(voiceover.checked && chosen(voice)),
      },
    }),
  });
  // A reload may have kept what was chosen.
  showChoices();

  return {
    show(query) {
      fill(query, { topic, words, language, tone, voice });
      if (query.has("voiceover")) voiceover.checked = query.get("voiceover") !== "false";
      showChoices();
      focusFinely(topic);
    },
  };
}

/** Brings the form of a narration to life. */
export function narrationSection(section: HTMLElement, submit: Submit): Section {
  const form = find("form", section, HTMLFormElement);
  const text = find("#text", form, HTMLTextAreaElement);
  const [language, voice] = ["[name=language]", "[name=voice]"]
    .map((selector) => find(selector, form, HTMLSelectElement));

  function showLength(): void {
    setText(find("#text-length"), lengthWords(text.value));
  }

  offerLanguages(form);
  text.addEventListener("input", showLength);
  submitForm(form, {
    submit,
    read: () => ({
      kind: "voiceover",
      input: { text: text.value, ...(language !== undefined && { language: language.value }), ...chosen(voice) },
    }),
  });
  showLength();

  return {
    show(query) {
      fill(query, { text, language, voice });
      showLength();
      focusFinely(text);
    },
  };
}

/** Fills the lists of voices of both forms. */
export function offerVoices(voices: readonly string[]): void {
  for (const list of document.querySelectorAll<HTMLSelectElement>("select[name=voice]")) {
    list.append(...voices.map((id) => create("option", { value: id }, capital(id))));
  }
}

function offerLanguages(form: HTMLFormElement): void {
  find("[name=language]", form).append(
    ...Object.entries(LANGUAGES).map(([code, name]) => create("option", { value: code }, name)),
  );
}

/** Speech takes about a minute for 150 words. */
const WORDS_A_MINUTE = 150;

function lengthWords(text: string): string {
  const count = text.match(/\S+/g)?.length ?? 0;
  if (count === 0) return "No text yet";
  const minutes = count / WORDS_A_MINUTE;
  const spoken = minutes < 1 ? "under a minute" : `about ${Math.round(minutes)} min`;
  return `${count.toLocaleString("en")} ${count === 1 ? "word" : "words"}, ${spoken} aloud`;
}

const chosen = (voice: HTMLSelectElement | undefined): { voice?: string } => (
  voice === undefined || voice.value === "" ? {} : { voice: voice.value }
);

type Control = HTMLTextAreaElement | HTMLInputElement | HTMLSelectElement | undefined;

function fill(query: URLSearchParams, controls: Readonly<Record<string, Control>>): void {
  for (const [name, control] of Object.entries(controls)) {
    const value = query.get(name);
    if (control !== undefined && value !== null) control.value = value;
  }
}

/** Puts the keyboard where the writing goes; on a phone that would raise the keyboard. */
function focusFinely(control: HTMLElement): void {
  if (matchMedia("(pointer: fine)").matches) control.focus({ preventScroll: true });
}
