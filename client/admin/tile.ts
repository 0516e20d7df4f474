// One live figure with its last five minutes.

import { create, setAttribute, setText } from "../studio/dom.ts";
import { shape } from "./drawing.ts";
import { draw, withSample } from "./series.ts";
import type { Sample } from "./series.ts";
import type { Tile } from "./tiles.ts";
import type { Figures } from "./types.ts";

const WIDTH = 240;
const HEIGHT = 36;

/** A tile, and what changes in it. */
export interface TileView {
  readonly element: HTMLElement;
  /** Remembers the figures; they are drawn by `draw`. */
  take(figures: Figures): void;
  draw(): void;
}

/** Makes the view of a figure. */
export function tileView(tile: Tile): TileView {
  const value = create("p", { class: "tile-value" }, "–");
  const detail = create("p", { class: "tile-detail" });
  const area = shape("path", { class: "area" });
  const line = shape("path", { class: "line" });
  const element = create(
    "li", { "class": "tile", "data-figure": tile.id },
    create("h3", {}, tile.title), value, detail,
    shape("svg", { "viewBox": `0 0 ${WIDTH} ${HEIGHT}`, "preserveAspectRatio": "none", "aria-hidden": "true" }, area, line),
  );
  let series: readonly Sample[] = [];
  let newest: Figures | null = null;

  return {
    element,
    take(figures) {
      newest = figures;
      series = withSample(series, { at: figures.at, value: tile.of(figures) });
    },
    draw() {
      if (newest === null) return;
      const drawing = draw(series, newest.at, WIDTH, HEIGHT, tile.top?.(newest) ?? 0);
      line.setAttribute("d", drawing.line);
      area.setAttribute("d", drawing.area);
      setText(value, tile.words(newest));
      setText(detail, tile.detail(newest));
      setAttribute(element, "data-bad", tile.isBad?.(newest) ?? false);
    },
  };
}
