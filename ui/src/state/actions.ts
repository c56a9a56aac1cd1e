/** What somebody does here, one call each. What is refused is said in a corner, unless who asked for it shows it. */
import type { FairleadClient } from "../../../src/client/browser.ts";
import { type Refusal, toRefusal } from "../model/refusal.ts";
import type { Session } from "./session.ts";
import type { Toasts } from "./toasts.ts";

export interface ActionsDeps {
  client(): FairleadClient;
  readonly toasts: Pick<Toasts, "add">;
  readonly session: Pick<Session, "ask">;
}

export interface Ref {
  readonly namespace: string;
  readonly name: string;
}

export class Actions {
  readonly #deps: ActionsDeps;

  constructor(deps: ActionsDeps) {
    this.#deps = deps;
  }

  /** The address of the app's page, which lets in once. */
  openApp(ref: Ref): Promise<string | undefined> {
    return this.#do("open the app", async (client) => (await client.apps.openApp({ ref })).url);
  }

  /** Notes that this person has seen them. */
  async acknowledge(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#do("note that you have seen it", (client) =>
      client.notifications.acknowledgeNotifications({ ids: [...ids] }),
    );
  }

  /** What a deletion would end, without doing it. */
  async weighDeletion(ref: Ref): Promise<readonly string[] | Refusal> {
    try {
      return (await this.#deps.client().apps.deleteApp({ ref, dryRun: true })).peers;
    } catch (error) {
      return this.#refused(error, "delete the app");
    }
  }

  async deleteApp(ref: Ref): Promise<void> {
    const { namespace, name } = ref;
    const done = await this.#do(`delete ${namespace}/${name}`, (client) => client.apps.deleteApp({ ref }));
    if (done) {
      const text = "It is gone from the list when its hosts have deleted what they ran.";
      this.#deps.toasts.add({ tone: "progressing", title: `${namespace}/${name} is being deleted`, text });
    }
  }

  async #do<T>(deed: string, act: (client: FairleadClient) => Promise<T>): Promise<T | undefined> {
    try {
      return await act(this.#deps.client());
    } catch (error) {
      const { title, detail, remedy } = this.#refused(error, deed);
      this.#deps.toasts.add({ tone: "failed", stays: true, title, text: [detail, remedy].filter(Boolean).join(" ") });
      return undefined;
    }
  }

  #refused(error: unknown, deed: string): Refusal {
    const refusal = toRefusal(error, deed);
    if (refusal.isSignedOut) void this.#deps.session.ask("Your session has ended.");
    return refusal;
  }
}
