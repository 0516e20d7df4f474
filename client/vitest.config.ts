// How the client's tests run: in Node, on every file of `test/`, with nothing global.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    globals: false,
    include: ["test/**/*.test.{ts,tsx}"],
    unstubGlobals: true,
    // Patience, and no claim: time is faked, and a busy machine is slow.
    testTimeout: 120_000,
  },
});
