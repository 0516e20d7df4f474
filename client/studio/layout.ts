// Where the fields of a model stand: what it is about, what it is made of, its shape, and the rest.

import type { Model } from "../src/types.ts";
import { create } from "./dom.ts";
import { pricedInputs } from "./estimate.ts";
import { isProse } from "./field-frame.ts";
import type { Field } from "./field.ts";

const SHAPE = /^(?:aspect_ratio|ratio|size|resolution|duration|width|height)$/;

/** The parts of a model's form, in their order. */
export function layout(model: Model, fields: readonly Field[]): HTMLElement[] {
  const chosen = new Set((model.one_of ?? []).concat(model.any_of ?? []).flat());
  const priced = pricedInputs(model.cost);
  const isAsked = ({ input }: Field): boolean => input.required || chosen.has(input.name);
  const prose = fields.filter(({ input }) => isProse(input) && (isPrompt(input.name) || input.required || chosen.has(input.name)));
  const media = fields.filter((field) => isFile(field) && isAsked(field));
  const shape = fields.filter(({ input }) => SHAPE.test(input.name) || priced.includes(input.name));
  const asked = fields.filter((field) => isAsked(field) && ![...prose, ...media, ...shape].includes(field));
  const rest = fields.filter((field) => ![...prose, ...media, ...shape, ...asked].includes(field));
  const said = part("inputs-prose", prose);
  const given = part("inputs-media", media);
  // What must be there comes before what may be.
  const first = prose.some(isAsked) ? [...said, ...given] : [...given, ...said];
  return [
    ...first,
    ...part("inputs-row", [...asked, ...shape]),
    ...more(rest),
  ];
}

/** What is said of the result itself, in whatever way a provider calls it. */
const isPrompt = (name: string): boolean => /^(?:prompt|promptText)$/.test(name);

const isFile = ({ input }: Field): boolean => input.type === "uri" || input.type === "uris";

const elements = (fields: readonly Field[]): HTMLElement[] => fields.map(({ element }) => element);

const part = (name: string, fields: readonly Field[]): HTMLElement[] => (
  fields.length === 0 ? [] : [create("div", { class: name }, ...elements(fields))]
);

function more(fields: readonly Field[]): HTMLElement[] {
  if (fields.length === 0) return [];
  const files = fields.filter(isFile);
  const switches = fields.filter(({ input }) => input.type === "boolean");
  const others = fields.filter((field) => !files.includes(field) && !switches.includes(field));
  const count = create("span", { class: "count" }, String(fields.length));
  return [create(
    "details", { class: "inputs-more" },
    create("summary", {}, "More settings ", count),
    create("div", { class: "inputs-grid" }, ...elements([...others, ...switches, ...files])),
  )];
}
