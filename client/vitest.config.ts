// How the client's tests run: in Node, on every file of `test/`, with nothing global.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    globals: false,
    include: ["test/**/*.test.{ts,tsx}"],
    unstubGlobals: true,
  },
});
