// A value that components show, and that changes outside of them.

/** What `useSyncExternalStore` reads. */
export class Store<Value> {
  readonly #listeners = new Set<() => void>();
  #value: Value;

  constructor(value: Value) {
    this.#value = value;
  }

  readonly get = (): Value => this.#value;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get isSubscribed(): boolean {
    return this.#listeners.size > 0;
  }

  set(value: Value): void {
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }
}
