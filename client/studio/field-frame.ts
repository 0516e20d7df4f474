// What stands around every control: its label, what it means, and room for what is wrong.

import type { ModelInput } from "../src/types.ts";
import { create } from "./dom.ts";
import { inputName } from "./names.ts";

/** A word or two that a prompt is called by. */
export const isProse = ({ type, allowed, name }: ModelInput): boolean => (
  type === "text" && allowed === undefined && /prompt|text$/i.test(name)
);

/** The id of an input's control. */
export const idOf = ({ name }: ModelInput): string => `input-${name}`;

/** The label, what it means, and room for what is wrong. */
export function framed(input: ModelInput, ...controls: readonly HTMLElement[]): HTMLElement {
  const id = idOf(input);
  const name = inputName(input.name);
  const mark = input.required ? [create("span", { class: "required" }, "required")] : [];
  const kind = input.type === "boolean" ? "field switch" : isProse(input) ? "field prose" : "field";
  return create(
    "div", { "class": kind, "data-field": input.name, "data-name": name },
    create("label", { for: id }, name, " ", ...mark),
    ...controls,
    create("p", { class: "meaning", id: `${id}-meaning` }, meaningOf(input)),
    create("p", { class: "error", id: `${id}-error`, hidden: true }),
  );
}

function meaningOf(input: ModelInput): string {
  const { meaning, needs, multiple_of: multiple } = input;
  const parts = [
    meaning,
    rangeOf(input),
    multiple === undefined ? "" : `a multiple of ${multiple}`,
    needs === undefined ? "" : `with ${inputName(needs).toLowerCase()}`,
  ];
  return parts.filter((part) => part !== "").join("; ");
}

function rangeOf({ min, max }: ModelInput): string {
  if (min !== undefined && max !== undefined) return `${min} to ${max}`;
  if (min !== undefined) return `at least ${min}`;
  return max === undefined ? "" : `at most ${max}`;
}
