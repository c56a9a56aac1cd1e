/** Who is signed in here, and the ways to be. */
import { Signal } from "signal-polyfill";
import { Code, ConnectError, type FairleadClient } from "../../../src/client/browser.ts";
import { CallerKind } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import type { WhoAmIResponse } from "../../../src/gen/fairlead/console/v1/access_service_pb.ts";
import type { GetSignInOptionsResponse } from "../../../src/gen/fairlead/console/v1/sign_in_service_pb.ts";
import { type Refusal, toRefusal } from "../model/refusal.ts";

export type SessionState =
  | { readonly kind: "asking" }
  /** `why` says what has ended the session before; empty for who has just come. */
  | { readonly kind: "out"; readonly options: GetSignInOptionsResponse; readonly why: string }
  /** Signed in by a password that somebody else knows, too. */
  | { readonly kind: "must-change"; readonly name: string }
  | { readonly kind: "in"; readonly who: WhoAmIResponse }
  /** The agent does not answer; it is worth to ask again. */
  | { readonly kind: "unreachable"; readonly refusal: Refusal };

export interface SessionDeps {
  /** As it is now: a token makes it another. */
  client(): FairleadClient;
  useToken(token: string | undefined): void;
  /** Somebody is signed in, and may look. */
  onIn(): void;
  onOut(): void;
}

/** The refusal, or undefined when it is done. */
type Outcome = Promise<Refusal | undefined>;

export class Session {
  readonly #state = new Signal.State<SessionState>({ kind: "asking" });
  readonly #deps: SessionDeps;
  /** The password that has to be changed, between being typed and being changed. */
  #initial = "";

  constructor(deps: SessionDeps) {
    this.#deps = deps;
  }

  get state(): SessionState {
    return this.#state.get();
  }

  /** Empty while nobody is signed in. */
  get person(): string {
    const state = this.#state.get();
    return state.kind === "in" ? state.who.name : "";
  }

  /** Finds out who this is; `why` is told to who has to sign in. */
  async ask(why = ""): Promise<void> {
    try {
      const who = await this.#deps.client().access.whoAmI({});
      if (who.mustChangePassword) this.#state.set({ kind: "must-change", name: who.name });
      else this.#enter(who);
    } catch (error) {
      if (ConnectError.from(error).code === Code.Unauthenticated) await this.#leave(why);
      else this.#state.set({ kind: "unreachable", refusal: toRefusal(error, "reach the agent") });
    }
  }

  async signIn(name: string, password: string): Outcome {
    return this.#attempt("sign in", async () => {
      const { mustChangePassword } = await this.#deps.client().signIn.signIn({ name, password });
      this.#initial = mustChangePassword ? password : "";
      if (mustChangePassword) this.#state.set({ kind: "must-change", name });
      else await this.ask();
    });
  }

  /** `current` may be empty for who has just signed in with it. */
  async changePassword(current: string, next: string): Outcome {
    return this.#attempt("change the password", async () => {
      await this.#deps.client().signIn.changePassword({ current: current || this.#initial, next });
      this.#initial = "";
      await this.ask();
    });
  }

  /** Whether the password that has to be changed is known from signing in. */
  get knowsInitial(): boolean {
    return this.#initial !== "";
  }

  /** The token counts until the page is loaded anew. */
  async useToken(token: string): Outcome {
    this.#deps.useToken(token.trim());
    const refused = await this.#attempt("sign in with this token", async () => {
      this.#enter(await this.#deps.client().access.whoAmI({}));
    });
    if (refused) this.#deps.useToken(undefined);
    return refused;
  }

  async signOut(): Outcome {
    const state = this.#state.get();
    const hasCookie = state.kind !== "in" || state.who.kind === CallerKind.USER || state.who.kind === CallerKind.OIDC;
    return this.#attempt("sign out", async () => {
      if (hasCookie) await this.#deps.client().signIn.signOut({});
      this.#deps.useToken(undefined);
      await this.#leave("You have signed out.");
    });
  }

  #enter(who: WhoAmIResponse): void {
    this.#state.set({ kind: "in", who });
    this.#deps.onIn();
  }

  async #leave(why: string): Promise<void> {
    this.#initial = "";
    this.#deps.onOut();
    try {
      const options = await this.#deps.client().signIn.getSignInOptions({});
      this.#state.set({ kind: "out", options, why });
    } catch (error) {
      this.#state.set({ kind: "unreachable", refusal: toRefusal(error, "reach the agent") });
    }
  }

  async #attempt(deed: string, act: () => Promise<void>): Outcome {
    try {
      await act();
      return undefined;
    } catch (error) {
      return toRefusal(error, deed);
    }
  }
}
