// Signing in with a key, on a server that has keys, and out again.

import { TailwaterError } from "../src/errors.ts";
import { find, showText } from "./dom.ts";
import { server } from "./server.ts";

/** Shows the form; a key that the server takes loads the page anew, as whoever has it. */
export function signIn(section: HTMLElement): void {
  const form = find("form", section, HTMLFormElement);
  const key = find("input", section, HTMLInputElement);
  const button = find("button", section, HTMLButtonElement);
  const error = find(".error", section);
  section.hidden = false;
  for (const part of ["#nav", ".standing"]) find(part).hidden = true;
  document.title = "Sign in · Tailwater";
  key.focus();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    button.disabled = true;
    showText(error, "");
    void open(key.value).then(
      () => location.reload(),
      (problem: unknown) => {
        button.disabled = false;
        key.setAttribute("aria-invalid", "true");
        showText(error, problem instanceof TailwaterError && problem.status === 401 ? "This is no valid key." : String(problem));
        key.select();
      },
    );
  });
}

const open = (key: string): Promise<unknown> => server.connection.json("/api/session", { method: "POST", json: { key: key.trim() } });

/** The button that ends the session. */
export function signOut(button: HTMLElement): void {
  button.hidden = false;
  button.addEventListener("click", () => {
    void server.connection.call("/api/session", { method: "DELETE" }).then(() => location.reload());
  });
}
