// The few things that this page asks of the DOM. Text only ever becomes text nodes.

/** Finds an element that must be there, and is of the kind that is asked for. */
export function find(selector: string, within?: ParentNode): HTMLElement;
export function find<T extends Element>(selector: string, within: ParentNode, kind: new () => T): T;
export function find(selector: string, within: ParentNode = document, kind: new () => Element = HTMLElement): Element {
  const found = within.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`the page has no ${selector}`);
  return found;
}

/** An attribute's value; `null` and `false` leave it out, `true` is an empty one. */
type Value = string | number | boolean | null | undefined;
export type Attributes = Readonly<Record<string, Value>>;

/** Makes an element with attributes and children. */
export function create<T extends keyof HTMLElementTagNameMap>(
  tag: T, attributes: Attributes = {}, ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[T] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...children);
  return element;
}

/** Sets an attribute as `create` does. */
export function setAttribute(element: Element, name: string, value: Value): void {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** One of the drawings that the page brings along (`<symbol id="icon-…">`). */
export function icon(name: string): SVGElement {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  drawing.setAttribute("class", "icon");
  drawing.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  drawing.append(use);
  return drawing;
}

/** Sets a text, and leaves the DOM alone when it is there already. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows a text, or nothing at all where there is none. */
export function showText(element: HTMLElement, text: string): void {
  element.hidden = text === "";
  setText(element, text);
}

/** Makes the children of `parent` these, in this order; what is there already is not moved. */
export function arrange(parent: Element, wanted: readonly Element[]): void {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((child, index) => {
    const there = parent.children[index];
    if (there !== child) parent.insertBefore(child, there ?? null);
  });
}
