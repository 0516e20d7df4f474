// What is not real is said plainly: a simulated provider, or a tone where a voice should be.

import type { Info } from "../src/types.ts";
import { create } from "./dom.ts";
import { capital } from "./titles.ts";

/** Fills the banner from `GET /api/info`; hides it when everything is real. */
export function showNotices(banner: HTMLElement, { simulated, voice }: Info): void {
  const lines: HTMLElement[] = [];
  if (simulated.length > 0) lines.push(simulation(simulated));
  if (voice.kind === "tone") lines.push(tone(voice));
  banner.replaceChildren(...lines);
  banner.hidden = lines.length === 0;
}

/** What each provider of images and videos is called, its variable, and where its keys are made. */
const MEDIA: Readonly<Record<string, readonly [string, string, string]>> = {
  replicate: ["Replicate", "REPLICATE_API_TOKEN", "https://replicate.com/account/api-tokens"],
  fal: ["fal", "FAL_KEY", "https://fal.ai/dashboard/keys"],
  runway: ["Runway", "RUNWAYML_API_SECRET", "https://dev.runwayml.com/"],
  minimax: ["MiniMax", "MINIMAX_API_KEY", "https://platform.minimax.io/"],
  bfl: ["Black Forest Labs", "BFL_API_KEY", "https://dashboard.bfl.ai/"],
};

function simulation(simulated: readonly string[]): HTMLElement {
  const media = Object.keys(MEDIA).filter((provider) => simulated.includes(provider));
  const texts = [
    ...(simulated.includes("chat") ? ["text"] : []),
    ...(simulated.includes("speech") ? ["narrations"] : []),
  ];
  const things = listed([...texts, ...mediaWords(media)]);
  return line(
    create("strong", {}, "Simulated. "),
    create("span", { class: "notice-words" }, `${capital(things)} ${things === "text" ? "comes" : "come"} from a simulator inside this server, not from models.`),
    how(
      "Use real models",
      ...(texts.length > 0 ? texting() : []),
      ...(texts.length > 0 && media.length > 0 ? [" "] : []),
      ...(media.length > 0 ? keys(media) : []),
    ),
  );
}

/** What comes from these providers: everything, or what one would take for theirs. */
function mediaWords(media: readonly string[]): string[] {
  if (media.length === 0) return [];
  if (media.length === Object.keys(MEDIA).length) return ["images", "videos"];
  const names = (providers: readonly string[]): string => listed(providers.map((provider) => MEDIA[provider]?.[0] ?? provider));
  const videos = media.filter((provider) => provider !== "bfl");
  return [
    ...(media.includes("bfl") ? [`images by ${names(["bfl"])}`] : []),
    ...(videos.length > 0 ? [`videos by ${names(videos)}`] : []),
  ];
}

const texting = (): (Node | string)[] => [
  "For text and narrations, start the server with ", code("OPENAI_API_KEY"), ", or with ", code("OPENAI_BASE_URL"),
  " for Ollama, vLLM, llama.cpp or anything else that speaks the same protocol.",
];

/** The variables, each leading to where its key is made. */
function keys(media: readonly string[]): (Node | string)[] {
  const links = media.flatMap((provider, index) => {
    const [name, variable, url] = MEDIA[provider] ?? [provider, provider, "#"];
    const link = create("a", { href: url, target: "_blank", rel: "noreferrer", title: `Keys of ${name}` }, code(variable));
    const before = index === 0 ? "" : index === media.length - 1 ? " or " : ", ";
    return [before, link];
  });
  return ["For images and videos, start it with ", ...links, ": each provider with a key is real."];
}

function tone({ note }: Info["voice"]): HTMLElement {
  return line(
    create("strong", {}, "No voice. "),
    create("span", { class: "notice-words" }, "Narrations are a test tone on this server."),
    how(
      "Get a voice",
      note ? `${note} ` : "",
      "Build ", code("tailwater-voice"), " beside the server (", code("cargo build --release"),
      " builds both), or install ", code("espeak-ng"), ", then start the server again.",
    ),
  );
}

const line = (...children: (Node | string)[]): HTMLElement => create("div", { class: "notice" }, ...children);
const code = (text: string): HTMLElement => create("code", {}, text);
const how = (title: string, ...children: (Node | string)[]): HTMLElement => create(
  "details", {}, create("summary", {}, title), create("p", {}, ...children),
);
const listed = (words: readonly string[]): string => new Intl.ListFormat("en-GB").format(words);
