// What was written in a section of models and not sent yet: it is still there after a look elsewhere,
// and after a reload.

import type { Values } from "./estimate.ts";

/** A model with what was said for it. */
export interface Draft {
  readonly model: string;
  readonly values: Values;
}

const keyOf = (section: string): string => `tailwater.draft.${section}`;

/** Keeps the draft of a section, for this tab and this visit. */
export function keepDraft(section: string, draft: Draft): void {
  try {
    sessionStorage.setItem(keyOf(section), JSON.stringify(draft));
  } catch {
    // A private window may refuse, and a picture in an address may be too large: then it is not kept.
  }
}

/** The draft of a section, or null. */
export function draftOf(section: string): Draft | null {
  try {
    const draft: unknown = JSON.parse(sessionStorage.getItem(keyOf(section)) ?? "null");
    return isDraft(draft) ? draft : null;
  } catch {
    return null;
  }
}

function isDraft(value: unknown): value is Draft {
  return typeof value === "object" && value !== null && "model" in value && typeof value.model === "string"
    && "values" in value && typeof value.values === "object" && value.values !== null;
}
