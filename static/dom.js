// The few things that this page asks of the DOM. Text only ever becomes text nodes.

/** The tree node that an element was made from: an unchanged node needs no second look. */
const made = new WeakMap();

/** Finds an element that must be there. */
export function find(selector, within = document) {
  const found = within.querySelector(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}

/** Makes an element with attributes and children. */
export function create(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Sets a text, and leaves the DOM alone when it is there already. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of `parent` look like a tree of `{tag, attributes, children}` and strings,
 * by the smallest change that a growing text needs: what stands stays, so that nothing flickers,
 * no selection is lost and no scroll position jumps.
 */
export function reconcile(parent, nodes) {
  let child = parent.firstChild;
  for (const node of nodes) child = place(parent, child, node).nextSibling;
  while (child !== null) {
    const next = child.nextSibling;
    child.remove();
    child = next;
  }
}

/** Makes `child` (or a new child in its place) look like `node`. */
function place(parent, child, node) {
  if (child !== null && made.get(child) === node) return child;
  if (typeof node === "string") return placeText(parent, child, node);
  let element = child;
  if (element?.nodeType !== Node.ELEMENT_NODE || element.localName !== node.tag) {
    element = document.createElement(node.tag);
    replace(parent, child, element);
  }
  setAttributes(element, node.attributes);
  reconcile(element, node.children);
  made.set(element, node);
  return element;
}

function placeText(parent, child, text) {
  if (child?.nodeType !== Node.TEXT_NODE) {
    return replace(parent, child, document.createTextNode(text));
  }
  if (text.startsWith(child.data)) {
    if (text.length > child.data.length) child.appendData(text.slice(child.data.length));
  } else {
    child.data = text;
  }
  return child;
}

function replace(parent, child, fresh) {
  if (child === null) parent.append(fresh);
  else parent.replaceChild(fresh, child);
  return fresh;
}

function setAttributes(element, wanted) {
  for (const name of element.getAttributeNames()) {
    if (!Object.hasOwn(wanted, name)) element.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(wanted)) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
}
