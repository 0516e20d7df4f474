// The dashboard against Grafana's own types (`@grafana/schema`): what they do not know, Grafana would pass
// over in silence.

import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { dashboard } from "./support.mjs";

/** Options and lines of each kind of panel that is used, where Grafana has their types. */
const KINDS = { stat: "Stat", timeseries: "TimeSeries", heatmap: "Heatmap" };

/** What JSON can hold of a type: the values of an enum instead of the enum. */
const WIRE = `
type Wire<T> =
  unknown extends T ? T :
  T extends string ? (string extends T ? string : \`\${T}\`) :
  T extends number ? (number extends T ? number : \`\${T}\` extends \`\${infer N extends number}\` ? N : never) :
  T extends (infer U)[] ? Wire<U>[] :
  T extends object ? { [K in keyof T]: Wire<T[K]> } :
  T;
`;

/**
 * TypeScript that compiles only if the dashboard has the types that Grafana publishes. Panels are also
 * looked at one by one: in the type of the whole, their options are anything.
 */
function source(board) {
  const { panels, annotations, ...rest } = board;
  const kinds = Object.entries(KINDS);
  const imports = kinds.map(([kind, name]) =>
    `import type * as ${name} from "@grafana/schema/dist/esm/raw/composable/${kind}/panelcfg/x/${name}PanelCfg_types.gen";`);
  // Of a query, each source has its own; of these, Prometheus' is in no package.
  const mark = ({ expr, titleFormat, textFormat, step, useValueForTime, ...known }) => known;
  const line = (value, type) => `(${JSON.stringify(value)}) satisfies Wire<${type}>;`;
  return [
    `import type { Dashboard, Panel, RowPanel, AnnotationQuery, FieldConfig } from "@grafana/schema";`,
    ...imports,
    WIRE,
    line(rest, "Dashboard"),
    ...annotations.list.map((one) => line(mark(one), "AnnotationQuery")),
    ...panels.flatMap((panel) => {
      if (panel.type === "row") return [line(panel, "RowPanel")];
      const { defaults } = panel.fieldConfig;
      const kind = KINDS[panel.type];
      const known = [line(panel, "Panel"), line(defaults, "FieldConfig"), line(panel.options, `${kind}.Options`)];
      return defaults.custom ? [...known, line(defaults.custom, `${kind}.FieldConfig`)] : known;
    }),
  ].join("\n");
}

/** What the compiler complains of; nothing, if all is well. */
export async function complaints(board = dashboard()) {
  // Below the packages, so that they are found from there.
  const folder = fileURLToPath(new URL("node_modules/.cache/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  const path = `${folder}dashboard.ts`;
  writeFileSync(path, source(board));
  const compiler = fileURLToPath(new URL("node_modules/typescript/bin/tsc", import.meta.url));
  const options = [
    "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext",
    "--moduleResolution", "bundler",
  ];
  return promisify(execFile)(process.execPath, [compiler, ...options, path], { maxBuffer: 1 << 24 })
    .then(() => "", ({ stdout, stderr }) => stdout + stderr);
}
