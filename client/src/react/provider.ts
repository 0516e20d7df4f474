// Which server the hooks talk to.

import { createContext, createElement, useContext, type ReactElement, type ReactNode } from "react";

import { Tailwater } from "../client.ts";

const ClientContext = createContext<Tailwater | null>(null);

export interface TailwaterProviderProps {
  /** Made once, outside of any component: another client is another server to the hooks. */
  readonly client: Tailwater;
  readonly children?: ReactNode;
}

/** Gives a client to the hooks below it; without one they ask the page's own origin. */
export function TailwaterProvider({ client, children }: TailwaterProviderProps): ReactElement {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** The client of a hook: its own, else the provider's; null where it is the page's own origin. */
export function useClient(own: Tailwater | undefined): Tailwater | null {
  const provided = useContext(ClientContext);
  return own ?? provided;
}

let ofThisPage: Tailwater | null = null;

/**
 * The client to ask. The page's own is made when it is first needed and not before: a server that
 * renders a page has no origin.
 */
export function clientOf(client: Tailwater | null): Tailwater {
  return client ?? (ofThisPage ??= new Tailwater());
}
