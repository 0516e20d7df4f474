// Names of the catalog, as people read them.

import { capital } from "./titles.ts";

const PROVIDERS: Readonly<Record<string, string>> = {
  replicate: "Replicate", fal: "fal", runway: "Runway", minimax: "MiniMax", bfl: "Black Forest Labs",
};

/** Words that are written in their own way. */
const SPELLED: Readonly<Record<string, string>> = { fps: "frames per second", aigc: "AI", ip: "IP", id: "id" };

/** A provider by its own name. */
export const providerName = (provider: string): string => PROVIDERS[provider] ?? provider;

/** `first-last-frame-to-video` as `First and last frame to video`. */
export const modeName = (mode: string): string => capital(mode.replace("first-last", "first and last").replaceAll("-", " "));

/** `negative_prompt`, `promptText`, `image_url` as `Negative prompt`, `Prompt text`, `Image`. */
export function inputName(name: string): string {
  const words = name.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase().split("_");
  const last = words.at(-1) ?? "";
  if (words.length > 1 && ["url", "uri", "file"].includes(last)) words.pop();
  if (words.length > 1 && ["urls", "uris"].includes(last)) words.splice(-2, 2, `${words.at(-2)}s`);
  return capital(words.map((word) => SPELLED[word] ?? word).join(" "));
}
