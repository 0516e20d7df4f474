// The models of the catalog as the server shows them (PROTOCOL.md § 8); held to golden/ as types.ts is.

import type { Milliseconds } from "./types.ts";

/** One input of a model. */
export interface ModelInput {
  readonly name: string;
  /** `text`, `integer`, `number`, `boolean`, `uri`, `uris`, … */
  readonly type: string;
  readonly required: boolean;
  readonly meaning: string;
  /** Other names that it is taken by. */
  readonly aliases?: readonly string[];
  readonly allowed?: readonly (string | number)[];
  readonly default?: string | number | boolean;
  readonly min?: number;
  readonly max?: number;
  readonly multiple_of?: number;
  readonly min_length?: number;
  readonly max_length?: number;
  readonly max_items?: number;
  /** The families of files that it takes. */
  readonly media?: readonly ("image" | "video" | "audio")[];
  /** Another input without which this one does nothing. */
  readonly needs?: string;
  /** What the provider takes in place of it. */
  readonly when_absent?: string | number;
}

/** A price in credits: the same for every job, or by what an input says. */
type Price =
  | { readonly credits: string }
  | {
      readonly by: {
        readonly input: string;
        /** The price by the input's value. */
        readonly credits: Readonly<Record<string, string>>;
        /** The value that counts where the input is absent. */
        readonly otherwise: string;
      };
    };

/** What a model costs. */
export type ModelCost = Price &
  (
    | { readonly per: "job" }
    | {
        readonly per: "second";
        /** How many seconds a job has: by an input, or at most so many. */
        readonly seconds:
          | { readonly input: { readonly name: string; readonly otherwise: number } }
          | { readonly at_most: number };
      }
  );

/** How well a model's provider is. */
export interface ModelHealth {
  readonly status: "ok" | "limited" | "failing" | "paused";
  readonly resumes_in_ms: Milliseconds | null;
  readonly failures: number;
  /** The code of the newest failure. */
  readonly reason: string | null;
}

/** A model of the catalog. */
export interface Model {
  readonly slug: string;
  readonly title: string;
  readonly provider: string;
  /** Its name at the provider. */
  readonly upstream: string;
  readonly kind: "video" | "image" | "lipsync";
  readonly mode: string;
  readonly modes: readonly string[];
  /** The route that takes its inputs alone. */
  readonly route: string;
  readonly inputs: readonly ModelInput[];
  /** Inputs of each group, of which there must be exactly one. */
  readonly one_of?: readonly (readonly string[])[];
  /** Inputs of each group, of which there must be at least one. */
  readonly any_of?: readonly (readonly string[])[];
  readonly variants?: readonly { readonly when: string; readonly upstream: string }[];
  readonly aliases?: readonly string[];
  readonly cost: ModelCost;
  readonly time_limit_ms: Milliseconds;
  readonly polling: {
    readonly first_ms: Milliseconds;
    readonly ceiling_ms: Milliseconds;
    readonly per_position_ms: Milliseconds;
  };
  /** How many jobs it runs at once, where that is set. */
  readonly concurrency: number | null;
  readonly media_type: string;
  readonly example: Readonly<Record<string, unknown>>;
  /** Whether the row was read in the provider's own documents. */
  readonly confirmed: boolean;
  readonly notes?: string;
  readonly retired?: {
    readonly reason: string;
    readonly refused: boolean;
    readonly successor: string;
    readonly since?: string;
  };
  readonly simulated: boolean;
  readonly health: ModelHealth;
}

/** Which models to list. */
export interface ModelFilter {
  readonly provider?: string;
  readonly mode?: string;
  readonly kind?: "video" | "image" | "lipsync";
}

/** The models, in the catalog's order. */
export interface ModelList {
  readonly models: readonly Model[];
}
