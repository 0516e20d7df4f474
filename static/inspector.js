// The inspector: what came over the wire, event by event. It keeps the last 500, and draws only
// while it is open.

import { create, find, setText } from "./dom.js";

const KEPT = 500;
/** How much of an event's data a closed row shows. */
const LINE = 240;

/** A view inside the `details` element. */
export function inspector(details) {
  const body = find("tbody", details);
  const rows = find(".rows", details);
  const filter = find("#event-filter", details);
  const control = find("#event-control", details);
  let kept = [];
  let count = 0;
  /** Events that came since the last drawing. */
  let fresh = [];
  let frame = null;

  const matches = ({ id, type, text }) => {
    if (id === null && !control.checked) return false;
    const wanted = filter.value.trim().toLowerCase();
    return wanted === "" || `${id ?? ""} ${type} ${text}`.toLowerCase().includes(wanted);
  };

  function draw() {
    frame = null;
    setText(find(".count", details), String(count));
    const dropped = find(".dropped", details);
    dropped.hidden = count <= KEPT;
    setText(dropped, `the last ${KEPT} of ${count}`);
    if (!details.open) return;
    const atEnd = rows.scrollTop + rows.clientHeight >= rows.scrollHeight - 24;
    body.append(...fresh.filter(matches).map(row));
    fresh = [];
    while (body.childElementCount > KEPT) body.firstElementChild.remove();
    if (atEnd) rows.scrollTop = rows.scrollHeight;
  }

  function redraw() {
    body.replaceChildren();
    fresh = [...kept];
    draw();
    rows.scrollTop = rows.scrollHeight;
  }

  details.addEventListener("toggle", redraw);
  filter.addEventListener("input", redraw);
  control.addEventListener("change", redraw);

  return {
    /** Adds an event of `stream.js`. */
    add(event) {
      count += 1;
      const seen = { ...event, at: event.data?.at ?? Date.now() };
      kept.push(seen);
      fresh.push(seen);
      if (kept.length > KEPT) kept = kept.slice(-KEPT);
      if (fresh.length > KEPT) fresh = fresh.slice(-KEPT);
      if (frame === null) frame = requestAnimationFrame(draw);
    },
    clear() {
      kept = [];
      count = 0;
      redraw();
    },
  };
}

function row({ id, type, data, text, at }) {
  const short = text.length > LINE ? `${text.slice(0, LINE)}…` : text;
  const whole = create("pre", {}, data === null ? text : JSON.stringify(data, null, 2));
  const shown = create("details", {}, create("summary", {}, short), whole);
  return create(
    "tr",
    { class: id === null ? "control" : null, "data-type": type },
    create("td", {}, id === null ? "–" : String(id)),
    create("td", {}, time(at)),
    create("td", {}, type),
    create("td", {}, shown),
  );
}

function time(at) {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return "";
  return `${date.toLocaleTimeString([], { hour12: false })}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
