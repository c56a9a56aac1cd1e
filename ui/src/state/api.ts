/** The one client of the agent that has sent this page. A session is known by its cookie; a token is held here, and nowhere that outlives the page. */
import { createFairleadClient, type FairleadClient } from "../../../src/client/browser.ts";

export class Api {
  readonly #url: string;
  #client: FairleadClient;

  constructor(url: string) {
    this.#url = url;
    this.#client = createFairleadClient({ url });
  }

  get client(): FairleadClient {
    return this.#client;
  }

  /** Every call from now on brings this token; none, when it is undefined. */
  use(token: string | undefined): void {
    this.#client = createFairleadClient({ url: this.#url, ...(token !== undefined && { token }) });
  }
}
