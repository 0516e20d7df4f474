// Credits: what an account has, what moved, and grants.

import type { LedgerEntry } from "../src/types.ts";
import { jobAddress } from "../studio/address.ts";
import { create, find, showText } from "../studio/dom.ts";
import { freshKey } from "../studio/fresh-key.ts";
import { creditsOf, microOf } from "../studio/money.ts";
import { timeOfDay } from "../studio/times.ts";
import { sectionAddress } from "./address.ts";
import { ask } from "./ask.ts";
import { facts } from "./overview.ts";
import { problemWords } from "./problems.ts";
import { credits, grant, ledger } from "./server.ts";
import { doing, tell } from "./told.ts";

/** The most that one grant may be, in micro-credits. */
const MOST = 1e15;

/** The section with the credits. */
export interface CreditsSection {
  show(query: URLSearchParams): void;
}

/** Brings the section to life. */
export function creditsSection(section: HTMLElement): CreditsSection {
  const accountForm = find("#account-form", section, HTMLFormElement);
  const account = find("[name=project]", accountForm, HTMLInputElement);
  const form = find("#grant-form", section, HTMLFormElement);
  const body = find("#ledger tbody", section, HTMLTableSectionElement);
  const more = find("#ledger-more", section);
  let shown = "";
  let next: number | null = null;

  async function load(): Promise<void> {
    try {
      const purse = await credits(shown);
      facts(find("#balances", section), [
        ["Available", creditsOf(purse.available)], ["Held by jobs", creditsOf(purse.held)],
        ["Taken", creditsOf(purse.captured)], ["Granted", creditsOf(purse.granted)],
      ]);
      body.replaceChildren();
      await older(null);
      showText(find(".error", section), "");
    } catch (problem) {
      showText(find(".error", section), problemWords(problem));
    }
  }

  async function older(before: number | null): Promise<void> {
    const page = await ledger(shown, before);
    body.append(...page.entries.map(entryRow));
    ({ next } = page);
    more.hidden = next === null;
    find("#ledger", section).hidden = body.childElementCount === 0;
    find("#ledger + .empty", section).hidden = body.childElementCount > 0;
  }

  /** One form filled in is one grant, however often its button is pressed. */
  let token = freshKey();

  async function give(): Promise<void> {
    const said = new FormData(form);
    const amount = amountOf(String(said.get("amount") ?? ""));
    const error = find(".error", form);
    if (typeof amount === "string") return showText(error, amount);
    showText(error, "");
    const to = shown === "" ? "the common account" : `the account of ${shown}`;
    if (!(await ask({ title: "Grant these credits?", words: `${creditsOf(amount)} credits for ${to}. A grant stays in the ledger for ever.`, yes: "Grant" }))) return;
    const told = find(".told", form);
    await doing(find("[type=submit]", form, HTMLButtonElement), told, async () => {
      const entry = await grant(shown, amount, String(said.get("note") ?? "").trim(), token);
      token = freshKey();
      form.reset();
      tell(told, `${entry.amount_credits} credits were granted; ${entry.available_after_credits} are available.`);
      await load();
    });
  }

  accountForm.addEventListener("submit", (event) => {
    event.preventDefault();
    shown = account.value.trim();
    history.replaceState(null, "", sectionAddress("credits", { project: shown }));
    void load();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void give();
  });
  more.addEventListener("click", () => void older(next).catch((problem: unknown) => showText(find(".error", section), problemWords(problem))));

  return {
    show(query) {
      document.title = "Credits · Operator · Tailwater";
      shown = query.get("project") ?? "";
      account.value = shown;
      tell(find(".told", form), "");
      void load();
    },
  };
}

/** An amount in credits as micro-credits, or what is wrong with it. */
export function amountOf(text: string): number | string {
  const said = text.trim().replace(",", ".");
  if (!/^\d+(?:\.\d{1,6})?$/.test(said)) return "Write an amount such as 100 or 2.50.";
  const micro = microOf(said);
  if (micro < 1) return "A grant is more than nothing.";
  return micro > MOST ? "That is more than one grant may be." : micro;
}

const WORDS: Readonly<Record<LedgerEntry["entry"], string>> = { grant: "Granted", hold: "Held", capture: "Taken", release: "Released" };

function entryRow({ at, entry, job_id: job, note, amount, available_after: after }: LedgerEntry): HTMLElement {
  const what = create(
    "span", {}, WORDS[entry] ?? entry,
    ...(job === null ? [] : [" for ", create("a", { href: jobAddress(job) }, `…${job.slice(-6)}`)]),
    ...(note ? [create("small", {}, note)] : []),
  );
  return create(
    "tr", { "data-entry": entry },
    create("td", { "data-label": "When" }, `${new Date(at).toLocaleDateString()} ${timeOfDay(at).slice(0, 8)}`),
    create("td", { "data-label": "What" }, what),
    create("td", { "data-label": "Amount" }, creditsOf(amount)),
    create("td", { "data-label": "Left after" }, creditsOf(after)),
  );
}
