// Answers as a page shows them: shortened by `…`, with values that are another time's.

/** JSON in which `…` stands for the rest of an object, a list or a text. */
export function parseLoosely(text) {
  const whole = text
    .replace(/,\s*…\s*(?=[}\]])/g, "")
    .replace(/([[{])\s*…\s*(?=[}\]])/g, "$1")
    .replace(/:\s*…/g, ": null");
  return JSON.parse(whole);
}

/** What an answer lacks of what is shown: members that are not there, or are of another type. */
export function likeness(expected, actual, pointer = "") {
  if (expected === null) return [];
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return [`${pointer} is no list`];
    return expected.length === 0 || actual.length === 0 ? [] : likeness(expected[0], actual[0], `${pointer}/0`);
  }
  if (typeof expected === "object") {
    if (typeof actual !== "object" || actual === null) return [`${pointer} is no object`];
    return Object.entries(expected).flatMap(([name, value]) =>
      (name in actual ? likeness(value, actual[name], `${pointer}/${name}`) : [`${pointer}/${name} is not there`]));
  }
  return typeof expected === typeof actual || actual === null ? [] : [`${pointer} is no ${typeof expected}`];
}
