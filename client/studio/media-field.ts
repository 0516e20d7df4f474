// An input that is a picture, a video or a sound: dropped, chosen, taken from an earlier job, or named
// by its address.

import type { ModelInput } from "../src/types.ts";
import { announce } from "./announce.ts";
import { arrange, create, find, icon, setText, showText } from "./dom.ts";
import { earlierFiles } from "./earlier.ts";
import { framed, idOf } from "./field-frame.ts";
import type { Field } from "./field.ts";
import { showFieldError, why } from "./form.ts";
import { inputName } from "./names.ts";
import { server } from "./server.ts";
import { clock } from "./times.ts";
import { sizeOf } from "./titles.ts";

type Family = NonNullable<ModelInput["media"]>[number];

/** A file that the field has, or is getting. */
interface Chosen {
  readonly url: string;
  readonly facts: string;
}

/** The field of an input of files. */
export function mediaField(input: ModelInput): Field {
  const families = input.media ?? [];
  const most = input.type === "uris" ? (input.max_items ?? 10) : 1;
  const id = idOf(input);
  let chosen: Chosen[] = [];
  let uploads: Promise<void>[] = [];

  const picker = create("input", {
    type: "file", class: "visually-hidden", id: `${id}-file`, tabindex: -1, multiple: most > 1,
    accept: families.map((family) => `${family}/*`).join(","), "aria-label": `${inputName(input.name)}: choose a file`,
  });
  const choose = create("button", { type: "button", class: "button small" }, icon("file"), "Choose a file");
  const address = create("input", {
    id, type: "text", inputmode: "url", placeholder: "or paste an address", autocomplete: "off",
    "aria-describedby": `${id}-meaning ${id}-error`,
  });
  const earlier = earlierFiles(families, (url, title) => add({ url, facts: title }));
  const list = create("ul", { class: "chosen" });
  const status = create("p", { class: "drop-status" });
  const empty = create("div", { class: "drop-empty" }, choose, address, earlier);
  const zone = create("div", { class: "drop" }, list, empty, picker, status);
  const element = framed(input, zone);
  setText(status, dropWords(families));

  function draw(): void {
    arrange(list, chosen.map((file) => previewOf(file, families, () => remove(file))));
    empty.hidden = chosen.length >= most;
    status.hidden = chosen.length >= most && uploads.length === 0;
    element.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function add(file: Chosen): void {
    chosen = most === 1 ? [file] : [...chosen, file].slice(0, most);
    find(".error", element).hidden = true;
    draw();
  }

  function remove(file: Chosen): void {
    chosen = chosen.filter((other) => other !== file);
    draw();
    choose.focus();
  }

  async function take(file: File): Promise<void> {
    setText(status, `Uploading ${file.name}…`);
    announce(`Uploading ${file.name}.`);
    zone.classList.add("uploading");
    try {
      const { url, bytes, width, height, duration_ms: duration } = await server.upload(file, { name: file.name });
      const size = width !== undefined && height !== undefined ? `${width} × ${height}` : "";
      const length = duration === undefined ? "" : clock(duration / 1000);
      announce(`${file.name} is uploaded.`);
      add({ url, facts: [file.name, size, length, sizeOf(bytes)].filter((fact) => fact !== "").join(" · ") });
    } catch (problem) {
      showFieldError(element, `could not be uploaded. ${why(problem)}`);
    } finally {
      zone.classList.remove("uploading");
      setText(status, dropWords(families));
    }
  }

  function takeAll(files: Iterable<File>): void {
    for (const file of [...files].slice(0, most)) {
      const upload = take(file).finally(() => {
        uploads = uploads.filter((other) => other !== upload);
      });
      uploads.push(upload);
    }
  }

  function takeAddress(): void {
    const url = address.value.trim();
    address.value = "";
    if (url !== "") add({ url, facts: url });
  }

  choose.addEventListener("click", () => picker.click());
  picker.addEventListener("change", () => {
    takeAll(picker.files ?? []);
    picker.value = "";
  });
  address.addEventListener("change", takeAddress);
  acceptDrops(zone, takeAll);

  return {
    input,
    element,
    read() {
      const urls = chosen.map(({ url }) => url);
      return urls.length === 0 ? undefined : input.type === "uris" ? urls : urls[0];
    },
    write(value) {
      const urls = Array.isArray(value) ? value.map(String) : value === undefined ? [] : [String(value)];
      chosen = urls.slice(0, most).map((url) => ({ url, facts: url }));
      draw();
    },
    async pending() {
      // An address that is still in its box belongs to what is submitted.
      takeAddress();
      await Promise.all(uploads);
    },
  };
}

/** Files may be dropped on it, and pasted into it. */
function acceptDrops(zone: HTMLElement, take: (files: Iterable<File>) => void): void {
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  zone.addEventListener("dragleave", (event) => {
    const { relatedTarget } = event;
    if (!(relatedTarget instanceof Node && zone.contains(relatedTarget))) zone.classList.remove("over");
  });
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take(event.dataTransfer?.files ?? []);
  });
  zone.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files;
    if (files === undefined || files.length === 0) return;
    event.preventDefault();
    take(files);
  });
}

const dropWords = (families: readonly Family[]): string => {
  const things: Readonly<Record<Family, string>> = { image: "a picture", video: "a video", audio: "a sound" };
  const named = families.map((family) => things[family]);
  return `Drop ${named.length === 0 ? "a file" : named.join(" or ")} here`;
};

/** What was chosen, to be seen or heard. What is elsewhere is not fetched by the page. */
function previewOf({ url, facts }: Chosen, families: readonly Family[], remove: () => void): HTMLElement {
  const button = create("button", { "type": "button", "class": "remove", "aria-label": `Remove ${facts.slice(0, 100)}` }, icon("close"));
  button.addEventListener("click", remove);
  const isHere = url.startsWith("/") || url.startsWith(`${location.origin}/`) || url.startsWith("data:");
  const words = create("p", { class: "chosen-facts" });
  showText(words, isHere ? (facts === url ? "A file of this server" : facts) : `${facts}, which the provider fetches`);
  return create("li", {}, ...(isHere ? [preview(url, families[0])] : []), words, button);
}

function preview(url: string, family: Family | undefined): HTMLElement {
  if (family === "audio") return create("audio", { src: url, controls: true, preload: "metadata" });
  if (family === "video") return create("video", { src: url, controls: true, muted: true, preload: "metadata", playsinline: true });
  return create("img", { src: url, alt: "" });
}
