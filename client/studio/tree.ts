// A plain tree of elements and texts, and how the DOM is made to look like one.

/** An element of the tree. */
export interface TreeElement {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Tree[];
}

/** What Markdown becomes: nothing but tags that the parser names, and texts. */
export type Tree = string | TreeElement;

/** The tree node that an element was made from: an unchanged node needs no second look. */
const made = new WeakMap<Node, Tree>();

/**
 * Makes the children of `parent` look like the nodes, by the smallest change that a growing text
 * needs: what stands stays, so that nothing flickers, no selection is lost and no scroll position
 * jumps.
 */
export function reconcile(parent: Element, nodes: readonly Tree[]): void {
  let child = parent.firstChild;
  for (const node of nodes) child = place(parent, child, node).nextSibling;
  while (child !== null) {
    const next: ChildNode | null = child.nextSibling;
    child.remove();
    child = next;
  }
}

/** Makes `child` (or a new child in its place) look like `node`. */
function place(parent: Element, child: ChildNode | null, node: Tree): ChildNode {
  if (child !== null && made.get(child) === node) return child;
  if (typeof node === "string") return placeText(parent, child, node);
  const fits = child instanceof HTMLElement && child.localName === node.tag;
  const element = fits ? child : replace(parent, child, document.createElement(node.tag));
  setAttributes(element, node.attributes);
  reconcile(element, node.children);
  made.set(element, node);
  return element;
}

function placeText(parent: Element, child: ChildNode | null, text: string): ChildNode {
  if (!(child instanceof Text)) return replace(parent, child, document.createTextNode(text));
  if (!text.startsWith(child.data)) child.data = text;
  else if (text.length > child.data.length) child.appendData(text.slice(child.data.length));
  return child;
}

function replace<T extends ChildNode>(parent: Element, child: ChildNode | null, fresh: T): T {
  if (child === null) parent.append(fresh);
  else parent.replaceChild(fresh, child);
  return fresh;
}

function setAttributes(element: Element, wanted: Readonly<Record<string, string>>): void {
  for (const name of element.getAttributeNames()) {
    if (!Object.hasOwn(wanted, name)) element.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(wanted)) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
}
