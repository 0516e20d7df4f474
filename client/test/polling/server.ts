// A real server process on a data folder of its own.

import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** How long anything may take, in milliseconds: a debug build is slow on a busy machine. */
export const PATIENCE_MS = 120_000;

/** A server that listens. */
export interface RunningServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** `TAILWATER_BIN`, else the build that was made last. */
function binary(): string {
  const newest = ["release", "debug"]
    .map((profile) => fileURLToPath(new URL(`../../../target/${profile}/tailwater`, import.meta.url)))
    .filter((path) => existsSync(path))
    .sort((left, right) => statSync(right).mtimeMs - statSync(left).mtimeMs)[0];
  const found = process.env["TAILWATER_BIN"] ?? newest;
  if (found === undefined) throw new Error("there is no server to test with: run `cargo build`, or set TAILWATER_BIN");
  return found;
}

/** Starts a server whose simulated providers are 20 times as fast as real ones. */
export async function startServer(): Promise<RunningServer> {
  const path = binary();
  const folder = await mkdtemp(join(tmpdir(), "tailwater-polling-"));
  const options = ["--listen", "127.0.0.1:0", "--data", folder, "--simulator-speed", "20"];
  const child = spawn(path, ["serve", ...options], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => (said = (said + bytes.toString()).slice(-4_000)));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = /listening on (http:\/\/\S+)/.exec(line)?.[1];
      if (found !== undefined) resolve(found.replace(/\/$/, ""));
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${path} exited with ${code}: ${said}`)));
  });
  return { url, stop };
}
