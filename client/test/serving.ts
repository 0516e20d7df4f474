// A server of a test's own, on a port that the system picks.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { onTestFinished } from "vitest";

/** Serves until the test is over; gives the address. */
export async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  // Only a server on a pipe has an address that is a text.
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

/** What a promise was rejected with; fails when it was not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => Promise.reject(new Error("it was not rejected")),
    (error: unknown) => error,
  );
}

/** The whole body of a request. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Where nobody listens: a port that is nobody's, and that `fetch` does not refuse by itself. */
export const NOBODY = "http://127.0.0.1:2";
