// A line that says what became of something that the operator did.

import { announce } from "../studio/announce.ts";
import { create } from "../studio/dom.ts";
import { problemWords } from "./problems.ts";

/** Says it, perhaps with a way on. */
export function tell(line: HTMLElement, words: string, link?: { readonly href: string; readonly words: string }): void {
  line.hidden = words === "";
  line.dataset.level = "info";
  line.replaceChildren(words, ...(link ? [" ", create("a", { href: link.href }, link.words)] : []));
}

/** Says what went wrong. */
export function tellProblem(line: HTMLElement, problem: unknown): void {
  tell(line, problemWords(problem));
  line.dataset.level = "error";
}

/** Does something while its button waits, and says what became of it. */
export async function doing(button: HTMLButtonElement, line: HTMLElement, deed: () => Promise<void>): Promise<void> {
  button.disabled = true;
  tell(line, "");
  try {
    await deed();
    announce(line.textContent ?? "");
  } catch (problem) {
    tellProblem(line, problem);
  } finally {
    button.disabled = false;
  }
}
