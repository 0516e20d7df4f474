// Elements of SVG, as `create` makes those of HTML.

import { setAttribute } from "../studio/dom.ts";
import type { Attributes } from "../studio/dom.ts";

/** Makes an element of a drawing. */
export function shape<T extends keyof SVGElementTagNameMap>(
  tag: T, attributes: Attributes = {}, ...children: readonly Node[]
): SVGElementTagNameMap[T] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...children);
  return element;
}
