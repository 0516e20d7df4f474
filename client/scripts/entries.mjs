// What the package consists of, for whoever builds or measures it.

/** The package's folder. */
export const ROOT = new URL("../", import.meta.url);

/** Each module of the package, by its name in dist/. */
export const ENTRIES = { index: "src/index.ts", react: "src/react/index.ts" };
