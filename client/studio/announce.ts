// The one live region: what a screen reader is told, politely, and never twice.

import { find, setText } from "./dom.ts";

/** Says something once; the same words again are not repeated. */
export function announce(words: string): void {
  if (words !== "") setText(find("#announce"), words);
}
