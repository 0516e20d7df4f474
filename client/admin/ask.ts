// Asks before something is done that cannot be taken back.

import { find, setText } from "../studio/dom.ts";

/** A question, and what the answer yes is called. */
export interface Question {
  readonly title: string;
  readonly words: string;
  readonly yes: string;
  /** Something is lost by it. */
  readonly isHarsh?: boolean;
}

/** Asks, and tells whether the answer was yes. */
export function ask({ title, words, yes, isHarsh = false }: Question): Promise<boolean> {
  const dialog = find("#ask", document, HTMLDialogElement);
  const button = find("#ask-yes", dialog);
  setText(find("#ask-title", dialog), title);
  setText(find("#ask-words", dialog), words);
  setText(button, yes);
  button.classList.toggle("harsh", isHarsh);
  // What was answered last is not the answer to this.
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
