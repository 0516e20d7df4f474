// What the package consists of, for whoever builds or measures it.

import { fileURLToPath } from "node:url";

/** The package's folder. */
export const ROOT_PATH = fileURLToPath(new URL("../", import.meta.url));

/** Each module of the package, by its name in dist/. */
export const ENTRIES = { index: "src/index.ts", react: "src/react/index.ts" };

/** Each page of the server, by the name of its script in static/. */
export const PAGES = [
  { name: "studio", source: "studio/app.ts" },
  { name: "admin", source: "admin/app.ts" },
];

/** The licences, of which there is one copy in the repository, at its root. */
export const LICENSES = ["LICENSE-MIT", "LICENSE-APACHE"];
