/** Where somebody is in the console: the address of the browser, to be read, and the ways to change it. */
import { Signal } from "signal-polyfill";

/** What of a window this needs. */
export interface AddressBar {
  addEventListener(type: "popstate", listener: () => void): void;
  removeEventListener(type: "popstate", listener: () => void): void;
  readonly location: Pick<Location, "href" | "origin">;
  readonly history: Pick<History, "pushState" | "replaceState">;
}

export class Address {
  readonly #bar: AddressBar;
  readonly #url: Signal.State<URL>;
  readonly #onMove = (): void => this.#url.set(new URL(this.#bar.location.href));

  constructor(bar: AddressBar) {
    this.#bar = bar;
    this.#url = new Signal.State(new URL(bar.location.href));
    bar.addEventListener("popstate", this.#onMove);
  }

  get url(): URL {
    return this.#url.get();
  }

  /** Goes somewhere, from where "back" leads here. */
  go(href: string): void {
    this.#move(href, (url) => this.#bar.history.pushState(null, "", url));
  }

  /** Says more exactly where this is, as a filter does: "back" passes it over. */
  refine(params: URLSearchParams): void {
    const query = params.toString();
    this.#move(query === "" ? this.url.pathname : `?${query}`, (url) => this.#bar.history.replaceState(null, "", url));
  }

  close(): void {
    this.#bar.removeEventListener("popstate", this.#onMove);
  }

  #move(href: string, change: (url: URL) => void): void {
    const url = new URL(href, this.#url.get());
    if (url.origin !== this.#bar.location.origin || url.href === this.#url.get().href) return;
    change(url);
    this.#url.set(url);
  }
}
