// The section that makes images, videos and lip-syncs: a model, its inputs, what they will cost.

import type { Model } from "../src/types.ts";
import type { Balance } from "./balance.ts";
import { submitCommand } from "./curl.ts";
import { draftOf, keepDraft } from "./drafts.ts";
import { find, setText, showText } from "./dom.ts";
import { estimate } from "./estimate.ts";
import type { Values } from "./estimate.ts";
import { isProse } from "./field-frame.ts";
import { fieldOf, focusField } from "./field.ts";
import type { Field } from "./field.ts";
import { clearErrors, submitForm, why } from "./form.ts";
import type { Submit } from "./form.ts";
import { layout } from "./layout.ts";
import { creditsOf } from "./money.ts";
import { modeName, providerName } from "./names.ts";
import { healthWords, modelPicker } from "./picker.ts";
import { server } from "./server.ts";
import { copyInto } from "./inspector.ts";
import { sentence } from "./titles.ts";

/** What a section of models makes. */
type MakeSection = "image" | "video" | "lip-sync";

const WORDS: Readonly<Record<MakeSection, { kind: Model["kind"]; title: string; lead: string }>> = {
  "image": { kind: "image", title: "What shall the image show?", lead: "Say it in a sentence, choose a model, and watch it come." },
  "video": { kind: "video", title: "What shall move?", lead: "From a sentence, from a picture, or from another video." },
  "lip-sync": { kind: "lipsync", title: "Who shall speak?", lead: "A picture and a sound become a face that says it." },
};

/** The model that a section begins with: the one of the simplest inputs. */
const FIRST: Readonly<Record<MakeSection, string>> = {
  "image": "bfl/flux-2-pro", "video": "wan-2-5-t2v", "lip-sync": "wan-2-2-s2v",
};

/** A section that shows what a kind of models can make. */
export interface Make {
  show(section: MakeSection, query: URLSearchParams): void;
}

/** Brings the section to life. */
export function makeSection(section: HTMLElement, { submit, purse }: { submit: Submit; purse: Balance }): Make {
  const form = find("form", section, HTMLFormElement);
  const picker = modelPicker(find("#picker"), (model) => choose(model, currentValues()));
  let shown: MakeSection = "image";
  let model: Model | null = null;
  let fields: readonly Field[] = [];

  const currentValues = (): Values => valuesOf(fields);

  /** Shows a model's form, with what of these values it takes. */
  function choose(chosen: Model, values: Values): void {
    model = chosen;
    fields = chosen.inputs.map((input) => fieldOf(input, chosen.example[input.name]));
    for (const field of fields) field.write(valueFor(field, values));
    clearErrors(form);
    find("#inputs").replaceChildren(...layout(chosen, fields));
    setText(find("#model-title"), chosen.title);
    setText(find("#model-facts"), factsOf(chosen));
    showText(find("#model-warning"), warningOf(chosen));
    showText(find("#model-notes"), chosen.notes === undefined ? "" : `On this row of the catalog: ${chosen.notes}`);
    noteChange();
  }

  function noteChange(): void {
    if (model !== null) keepDraft(shown, { model: model.slug, values: currentValues() });
    drawEstimate();
  }

  function drawEstimate(): void {
    if (model === null) return;
    const cost = estimate(model.cost, currentValues());
    const { available } = purse;
    const parts = [`${creditsOf(cost)} credits at most`];
    if (available !== null) parts.push(`${creditsOf(available)} left`);
    if (model.simulated) parts.push("simulated");
    const target = find("#estimate");
    setText(target, parts.join(" · "));
    target.toggleAttribute("data-short", available !== null && cost > available);
  }

  async function read(): Promise<{ kind: Model["kind"]; model: string; input: Values }> {
    // What is being uploaded belongs to what is submitted.
    await Promise.all(fields.map((field) => field.pending?.()));
    const { kind } = WORDS[shown];
    return { kind, model: model?.slug ?? "", input: currentValues() };
  }

  async function open(wanted: MakeSection, query: URLSearchParams): Promise<void> {
    try {
      const models = await server.models({ kind: WORDS[wanted].kind });
      if (wanted !== shown) return;
      const draft = query.size === 0 ? draftOf(wanted) : null;
      const chosen = chosenOf(models, query, draft?.model ?? FIRST[wanted]);
      if (chosen === undefined) throw new Error("the catalog has no model for this");
      picker.offer(models, chosen);
      choose(chosen, draft?.values ?? Object.fromEntries([...query].filter(([name]) => name !== "model")));
      section.removeAttribute("aria-busy");
      const first = fields.find(({ input }) => isProse(input));
      if (first !== undefined && matchMedia("(pointer: fine)").matches) focusField(first);
    } catch (problem) {
      if (wanted === shown) setText(find("#make-lead"), `The models could not be fetched. ${why(problem)}`);
    }
  }

  submitForm(form, { submit, read });
  form.addEventListener("input", noteChange);
  purse.onChange(drawEstimate);
  find("#example").addEventListener("click", () => {
    if (model !== null) choose(model, model.example);
  });
  const curl = find("#make-curl");
  curl.addEventListener("click", () => {
    if (model !== null) void copyInto(curl, submitCommand(location.origin, model.route, { model: model.slug, ...currentValues() }));
  });

  return {
    show(wanted, query) {
      const { title, lead } = WORDS[wanted];
      shown = wanted;
      section.dataset.section = wanted;
      section.setAttribute("aria-busy", "true");
      setText(find("#make-title"), title);
      setText(find("#make-lead"), lead);
      void open(wanted, query);
    },
  };
}

/** The model that the address names; else one that takes what the address brings; else the usual one. */
function chosenOf(models: readonly Model[], query: URLSearchParams, usual: string): Model | undefined {
  const named = models.find(({ slug }) => slug === query.get("model"));
  const brought = ["image", "audio", "video"].filter((family) => query.has(family));
  const fits = (model: Model): boolean => brought.every((family) => (
    model.inputs.some(({ required, media }) => required && media?.some((one) => one === family))
  ));
  const first = models.find(({ slug }) => slug === usual) ?? models[0];
  return named ?? (brought.length === 0 || (first !== undefined && fits(first)) ? first : (models.find(fits) ?? first));
}

/** What the fields say, by their names; what is not said is left out. */
function valuesOf(fields: readonly Field[]): Values {
  const said = fields.map((field) => [field.input.name, field.read()] as const);
  return Object.fromEntries(said.filter(([, value]) => value !== undefined));
}

/** What of these values a field takes: its own, or one of its kind, from another model's form. */
function valueFor({ input }: Field, values: Values): unknown {
  const names = [input.name, ...(input.aliases ?? [])];
  const own = names.find((name) => name in values);
  if (own !== undefined) return values[own];
  const alike = isProse(input) && input.required ? ["prompt", "promptText", "text"] : (input.required ? (input.media ?? []) : []);
  const found = alike.find((name) => name in values);
  return found === undefined ? undefined : values[found];
}

function factsOf({ provider, modes, confirmed, time_limit_ms: limit }: Model): string {
  const parts = [providerName(provider), modes.map(modeName).join(", "), `at most ${Math.round(limit / 60_000)} min`];
  if (!confirmed) parts.push("inputs not confirmed");
  return parts.join(" · ");
}

function warningOf({ health, retired }: Model): string {
  const end = retired === undefined ? "" : sentence(`It is being retired: ${retired.reason}`);
  return [end, health.status === "ok" ? "" : healthWords(health)].filter((part) => part !== "").join(" ");
}
