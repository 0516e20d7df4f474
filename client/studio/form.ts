// What every form of the page does: one submit at a time, and what is wrong said where it is wrong.

import { TailwaterError } from "../src/errors.ts";
import type { SubmitBody } from "../src/types.ts";
import { find, showText } from "./dom.ts";
import { freshKey } from "./fresh-key.ts";
import { creditsOf } from "./money.ts";
import { capital, sentence } from "./titles.ts";

/** Sends what a form says; the same key again gets the same job. */
export type Submit = (body: SubmitBody, key: string) => Promise<unknown>;

/** How a form is read and sent. */
export interface FormOptions {
  /** The body of the submit; nothing is checked here, the server says it better. */
  read(): SubmitBody | Promise<SubmitBody>;
  readonly submit: Submit;
}

/** Brings a form to life. Its fields are `[data-field]` elements with a control and an `.error`. */
export function submitForm(form: HTMLFormElement, { read, submit }: FormOptions): void {
  const button = find(".submit", form, HTMLButtonElement);
  /** One key for each thing asked for: after a lost answer the same key gets the same job. */
  let sent = { text: "", key: "" };

  async function send(): Promise<void> {
    const body = await read();
    const text = JSON.stringify(body);
    if (sent.text !== text) sent = { text, key: freshKey() };
    await submit(body, sent.key);
    sent = { text: "", key: "" };
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (button.disabled) return;
    clearErrors(form);
    button.disabled = true;
    form.classList.add("sending");
    void send().catch((error: unknown) => showProblem(form, error)).finally(() => {
      button.disabled = false;
      form.classList.remove("sending");
    });
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

/** Takes back what was said about an earlier submit. */
export function clearErrors(form: HTMLElement): void {
  for (const error of form.querySelectorAll<HTMLElement>(".error")) error.hidden = true;
  for (const invalid of form.querySelectorAll("[aria-invalid]")) invalid.removeAttribute("aria-invalid");
}

/** Says what is wrong with one field. */
export function showFieldError(field: HTMLElement, detail: string): void {
  showText(find(".error", field), sentence(`${field.dataset.name ?? "This"} ${detail}`));
  controlOf(field)?.setAttribute("aria-invalid", "true");
}

const controlOf = (field: HTMLElement): HTMLElement | null => (
  field.querySelector<HTMLElement>("textarea, select, input:not([type=file])")
);

function showProblem(form: HTMLFormElement, problem: unknown): void {
  const others: string[] = [];
  let first: HTMLElement | null = null;
  for (const { pointer, detail } of problem instanceof TailwaterError ? problem.errors : []) {
    const field = fieldAt(form, pointer);
    if (field === null) others.push(`${pointer}: ${detail}`);
    else {
      showFieldError(field, detail);
      first ??= field;
    }
  }
  if (first === null && others.length === 0) others.push(advice(problem));
  showText(find(".form-error", form), others.join("\n"));
  reveal(first);
}

/** The field that a JSON pointer means: `/input/size`, `/size`, `/input/image_urls/0`. */
function fieldAt(form: HTMLFormElement, pointer: string): HTMLElement | null {
  const names = pointer.split("/").slice(1).map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
  const name = names[0] === "input" ? names[1] : names[0];
  const fields = [...form.querySelectorAll<HTMLElement>("[data-field]")];
  return fields.find((field) => field.dataset.field === name && !field.hidden) ?? null;
}

/** Opens what hides a field, and puts the keyboard there. */
function reveal(field: HTMLElement | null): void {
  field?.closest("details")?.setAttribute("open", "");
  if (field !== null) controlOf(field)?.focus();
}

/** What to do about a problem that belongs to no field. */
function advice(problem: unknown): string {
  if (!(problem instanceof TailwaterError)) return "That did not work. Nothing was submitted.";
  const { code, detail, retryAfterMs, problem: body } = problem;
  if (code === "unreachable") return "The server could not be reached. Nothing is lost: press the button again.";
  if (code === "insufficient_credits" && typeof body?.shortfall === "number" && typeof body.balance === "number") {
    return `There are ${creditsOf(body.balance)} credits left, ${creditsOf(body.shortfall)} too few for this.`;
  }
  const said = sentence(detail);
  return retryAfterMs === null ? said : `${said} Try again in ${Math.ceil(retryAfterMs / 1000)} s.`;
}

/** Why something failed, in a sentence. */
export const why = (problem: unknown): string => (
  sentence(problem instanceof TailwaterError ? capital(problem.detail) : "it did not work")
);
