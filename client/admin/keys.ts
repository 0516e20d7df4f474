// Keys: who may do what; made here, shown once, revoked here.

import { create, find, showText } from "../studio/dom.ts";
import { copyInto } from "../studio/inspector.ts";
import { ago } from "../studio/times.ts";
import { ask } from "./ask.ts";
import { problemWords } from "./problems.ts";
import { keys, makeKey, openSession, revokeKey } from "./server.ts";
import type { NewKey } from "./server.ts";
import { doing, tell } from "./told.ts";
import type { Key } from "./types.ts";

/** The section with the keys. */
export interface Keys {
  show(): void;
  /** Whether a secret is on the page that would be lost by loading it anew. */
  readonly holdsSecret: boolean;
}

/** What the section needs of the page. */
export interface KeysOptions {
  /** Whether anybody may do everything here, since there was never a key. */
  readonly isOpen: () => boolean;
  /** The first key was made, and this page has a session by it. */
  readonly onSignedIn: () => Promise<void>;
}

/** Brings the section to life. */
export function keysSection(section: HTMLElement, { isOpen, onSignedIn }: KeysOptions): Keys {
  const form = find("#key-form", section, HTMLFormElement);
  const list = find(".key-rows", section);
  const fresh = find("#fresh-key", section);
  const secret = find("#secret", section);
  const told = find(".told", section);

  async function load(): Promise<void> {
    find("#keys-open", section).hidden = !isOpen();
    try {
      const all = await keys();
      // Whoever closes the server wants to come in again.
      if (isOpen() && all.length === 0) find("[value=admin]", form, HTMLInputElement).checked = true;
      list.replaceChildren(...inOrder(all, Date.now()).map(row));
      showText(find(".error", section), "");
      showText(find(".key-rows + .empty", section), all.length === 0 ? "There is no key." : "");
    } catch (problem) {
      showText(find(".error", section), problemWords(problem));
    }
  }

  function row(key: Key): HTMLElement {
    const button = create("button", { "type": "button", "class": "button small", "aria-label": `Revoke ${key.name || key.id}` }, "Revoke");
    const state = keyState(key, Date.now());
    button.hidden = state !== "good";
    button.addEventListener("click", () => void revoke(key, button));
    return create(
      "li", { "data-key-id": key.id, "data-state": state },
      create("p", { class: "key-head" }, create("b", {}, key.name || "without a name"), ...key.scopes.map((scope) => create("span", { class: "mark" }, scope))),
      create("p", { class: "key-words" }, create("code", {}, key.id), ` ${keyWords(key, Date.now())}`),
      button,
    );
  }

  async function revoke(key: Key, button: HTMLButtonElement): Promise<void> {
    const isWanted = await ask({
      title: "Revoke this key?", yes: "Revoke", isHarsh: true,
      words: `${key.name || key.id} opens nothing any more; its sessions, its tickets and its streams end at once. It cannot be taken back.`,
    });
    if (!isWanted) return;
    await doing(button, told, async () => {
      await revokeKey(key.id);
      tell(told, `${key.name || key.id} was revoked.`);
      await load();
    });
  }

  async function make(): Promise<void> {
    const wanted = wantedKey(new FormData(form));
    const error = find(".error", form);
    if (typeof wanted === "string") return showText(error, wanted);
    const wasOpen = isOpen();
    const locksOut = wasOpen && !wanted.scopes.includes("admin");
    const isSure = !locksOut || await ask({
      title: "Close the server with this key?", yes: "Make it all the same", isHarsh: true,
      words: "It is the first key, and it is no admin. This page then wants a key that only the server's command line can make: tailwater keys create --scope admin.",
    });
    if (!isSure) return;
    await doing(find("[type=submit]", form, HTMLButtonElement), error, async () => {
      const key = await makeKey(wanted);
      secret.textContent = key.key ?? "";
      fresh.hidden = false;
      form.reset();
      if (wasOpen && key.key !== undefined && !locksOut) {
        await openSession(key.key);
        await onSignedIn();
      }
      find("#fresh-key-title", section).focus();
      await load();
    });
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void make();
  });
  find("#copy-key", section).addEventListener("click", () => void copyInto(find("#copy-key", section), secret.textContent ?? ""));
  find("#hide-key", section).addEventListener("click", () => {
    secret.textContent = "";
    fresh.hidden = true;
    find("#keys-title", section).focus();
  });

  return {
    show() {
      document.title = "Keys · Operator · Tailwater";
      tell(told, "");
      void load();
    },
    get holdsSecret() {
      return !fresh.hidden;
    },
  };
}

/** The key that a form asks for, or what is wrong with it. */
export function wantedKey(form: FormData): NewKey | string {
  const scopes = form.getAll("scope").map(String);
  if (scopes.length === 0) return "Choose what the key may do.";
  const [name, project, days] = ["name", "project", "days"].map((field) => String(form.get(field) ?? "").trim());
  if (project && !/^[A-Za-z0-9_.-]{1,64}$/.test(project)) return "A project's name has letters, digits, dots, dashes and underscores only.";
  if (days && !/^[1-9]\d{0,3}$/.test(days)) return "The days are a whole number from 1 to 3650.";
  return {
    scopes,
    ...(name ? { name } : {}),
    ...(project ? { project_id: project } : {}),
    ...(days ? { expires_in_days: Number(days) } : {}),
  };
}

/** What has become of a key. */
export function keyState({ revoked_at: revoked, expires_at: expires }: Key, now: number): "good" | "revoked" | "over" {
  if (revoked !== null) return "revoked";
  return expires !== null && expires <= now ? "over" : "good";
}

/** What else is to be said of a key. */
export function keyWords(key: Key, now: number): string {
  const state = keyState(key, now);
  const used = key.last_used_at === null ? "never used" : `used ${ago(key.last_used_at, now)}`;
  const end = key.expires_at === null ? "" : `ends ${new Date(key.expires_at).toLocaleDateString()}`;
  const project = key.project_id === null ? "" : `project ${key.project_id}`;
  const gone = { good: end, revoked: "revoked", over: "ended" }[state];
  return [project, used, gone].filter(Boolean).join(" · ");
}

/** Those that are good first, each group newest first. */
const inOrder = (all: readonly Key[], now: number): Key[] => [...all].sort((left, right) => (
  Number(keyState(right, now) === "good") - Number(keyState(left, now) === "good") || right.created_at - left.created_at
));
