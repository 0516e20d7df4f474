// One input of a model, as a field of a form: the control that fits, and how it is read and filled.

import type { ModelInput } from "../src/types.ts";
import { create, find } from "./dom.ts";
import type { Attributes } from "./dom.ts";
import { framed, idOf, isProse } from "./field-frame.ts";
import { mediaField } from "./media-field.ts";
import { capital } from "./titles.ts";

/** A field of a form. */
export interface Field {
  readonly input: ModelInput;
  readonly element: HTMLElement;
  /** What is said, in the input's own type; undefined when nothing is. */
  read(): unknown;
  /** Fills it in; undefined empties it. */
  write(value: unknown): void;
  /** What has to be done before it is read for good, such as an upload. */
  readonly pending?: () => Promise<void>;
}

/** A control, and the two ways of its value. */
type Control = Pick<Field, "read" | "write"> & { readonly control: HTMLElement };

/** Makes the field of an input; an example shows what could be said. */
export function fieldOf(input: ModelInput, example?: unknown): Field {
  if (input.type === "uri" || input.type === "uris") return mediaField(input);
  const made = isProse(input) ? proseControl(input, example) : controlOf(input);
  return { input, element: framed(input, made.control), read: made.read, write: made.write };
}

function controlOf(input: ModelInput): Control {
  if (input.type === "boolean") return switchControl(input);
  if (input.allowed !== undefined) return selectControl(input, input.allowed);
  if (input.type === "integer" || input.type === "number") return numberControl(input);
  if (input.type === "texts" || input.type === "object") return listControl(input);
  return textControl(input);
}

function attributesOf(input: ModelInput): Attributes {
  const id = idOf(input);
  return {
    id,
    "name": input.name,
    "aria-describedby": `${id}-meaning ${id}-error`,
    "aria-required": input.required ? "true" : null,
  };
}

function proseControl(input: ModelInput, example: unknown): Control {
  const placeholder = capital(textOf(example ?? input.when_absent));
  const control = create("textarea", { ...attributesOf(input), placeholder, rows: 3, maxlength: input.max_length });
  return written(control);
}

function textControl(input: ModelInput): Control {
  const placeholder = input.default ?? input.when_absent;
  const control = create("input", {
    ...attributesOf(input), placeholder, type: "text", autocomplete: "off", maxlength: input.max_length,
  });
  return written(control);
}

/** A text that is left out while there is none. */
const written = (control: HTMLTextAreaElement | HTMLInputElement): Control => ({
  control,
  read: () => (control.value.trim() === "" ? undefined : control.value),
  write(value) { control.value = textOf(value); },
});

function numberControl(input: ModelInput): Control {
  const control = create("input", {
    ...attributesOf(input), type: "number", inputmode: input.type === "integer" ? "numeric" : "decimal",
    min: input.min, max: input.max, step: input.multiple_of ?? (input.type === "integer" ? 1 : "any"),
    placeholder: input.default ?? input.when_absent ?? (input.name === "seed" ? "random" : undefined),
  });
  return {
    control,
    read: () => (control.value.trim() === "" ? undefined : Number(control.value)),
    write(value) { control.value = textOf(value); },
  };
}

/** The allowed values; what is left to the provider is the first of them. */
function selectControl(input: ModelInput, allowed: readonly (string | number)[]): Control {
  const usual = input.default ?? input.when_absent;
  const unsaid = usual === undefined ? "Left to the model" : `${String(usual)}, as usual`;
  const first = input.required && usual === undefined ? [] : [create("option", { value: "" }, unsaid)];
  const rest = allowed.filter((value) => first.length === 0 || value !== usual);
  const control = create("select", attributesOf(input), ...first, ...rest.map((value) => create("option", { value }, String(value))));
  return {
    control,
    read: () => allowed.find((value) => String(value) === control.value),
    write(value) {
      const said = textOf(value);
      control.value = rest.some((one) => String(one) === said) ? said : (first.length > 0 ? "" : String(rest[0] ?? ""));
    },
  };
}

function switchControl(input: ModelInput): Control {
  const usual = input.default === true;
  const control = create("input", { ...attributesOf(input), type: "checkbox", role: "switch" });
  control.checked = usual;
  return {
    control,
    read: () => (control.checked === usual ? undefined : control.checked),
    write(value) { control.checked = value === undefined ? usual : value === true || value === "true"; },
  };
}

/** Several texts, one a line; or an object, as JSON. */
function listControl(input: ModelInput): Control {
  const isObject = input.type === "object";
  const placeholder = isObject ? "{ }" : "one a line";
  const control = create("textarea", { ...attributesOf(input), rows: 2, class: isObject ? "code" : null, placeholder });
  return {
    control,
    read() {
      if (control.value.trim() === "") return undefined;
      return isObject ? parsed(control.value) : control.value.split("\n").filter((line) => line.trim() !== "");
    },
    write(value) {
      control.value = Array.isArray(value) ? value.join("\n") : isObject && value !== undefined ? JSON.stringify(value) : textOf(value);
    },
  };
}

/** What is no JSON goes to the server as it is, which says what is wrong with it. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const textOf = (value: unknown): string => (value === undefined || value === null ? "" : String(value));

/** Puts the cursor behind what is written in a field. */
export function focusField({ element }: Field): void {
  find("textarea, input, select", element).focus({ preventScroll: true });
}
