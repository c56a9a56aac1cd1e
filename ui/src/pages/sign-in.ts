/** In the place of every page while nobody is signed in: the ways in, why they are closed here, and the first password's change. The address stays, so one goes on where one was. */
import { SignalWatcher } from "@lit-labs/signals";
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import type { GetSignInOptionsResponse } from "../../../src/gen/fairlead/console/v1/sign_in_service_pb.ts";
import { icon } from "../elements/icon.ts";
import { mark } from "../elements/mark.ts";
import { sheet } from "../elements/sheet.ts";
import type { Refusal } from "../model/refusal.ts";
import type { ConsoleState } from "../state/console-state.ts";

const leastPassword = 12;

@customElement("fl-sign-in")
export class SignInPage extends SignalWatcher(LitElement) {
  static override styles = [
    sheet,
    css`
      :host { display: grid; place-items: start center; min-height: 100%; padding: clamp(24px, 14vh, 140px) var(--s4) var(--s8); }
      main { width: min(380px, 100%); }
      .brand { display: flex; align-items: center; gap: var(--s3); margin-bottom: var(--s6); }
      .brand svg { width: 36px; height: 36px; flex: none; }
      .card { padding: var(--s6); }
      form, .ways { display: grid; gap: var(--s4); }
      label { display: grid; gap: var(--s1); font-weight: 500; }
      input { height: 36px; font-weight: 400; width: 100%; }
      .button { width: 100%; height: 36px; }
      .or { display: flex; align-items: center; gap: var(--s3); color: var(--soft); font-size: var(--text-s); }
      .or::before, .or::after { content: ""; flex: 1; border-top: 1px solid var(--line); }
      .said { margin-bottom: var(--s4); padding: var(--s2) var(--s3); border-radius: var(--radius); background: var(--unknown-faint); overflow-wrap: anywhere; }
      .said.bad { background: var(--failed-faint); color: var(--failed); }
      .foot { margin-top: var(--s4); text-align: center; }
      .foot button { color: var(--accent); }
      .hint { font-weight: 400; color: var(--soft); font-size: var(--text-s); }
    `,
  ];

  @property({ attribute: false }) accessor state!: ConsoleState;
  @state() private accessor refusal: Refusal | undefined = undefined;
  @state() private accessor isBusy = false;
  @state() private accessor byToken = false;
  @query("form") private accessor form!: HTMLFormElement | null;

  override render() {
    const { state } = this.state.session;
    return html`<main>
      <div class="brand">${mark}<h1>${state.kind === "must-change" ? "Choose a password" : "Sign in to Fairlead"}</h1></div>
      <div class="card">
        ${state.kind === "out" && state.why !== "" && !this.refusal ? html`<p class="said" role="status">${state.why}</p>` : nothing}
        ${this.refusal ? html`<p class="said bad" role="alert">${[this.refusal.detail, this.refusal.remedy].filter(Boolean).join(" ")}</p>` : nothing}
        ${state.kind === "must-change" ? this.#change(state.name) : state.kind === "out" ? this.#ways(state.options) : nothing}
      </div>
      ${state.kind === "out" ? this.#foot() : nothing}
    </main>`;
  }

  #ways(options: GetSignInOptionsResponse): TemplateResult {
    if (this.byToken) return this.#token();
    const { password, provider, providerPath, refused, betterUrl } = options;
    if (refused !== "") {
      return html`<div class="ways">
        <p><b>Nobody can sign in over this connection.</b> ${refused}</p>
        ${betterUrl === "" ? nothing : html`<a class="button primary" href=${betterUrl + this.#here()}>Go to ${betterUrl}</a>`}
      </div>`;
    }
    return html`<div class="ways">
      ${provider === "" ? nothing : html`<a class="button ${password ? "" : "primary"}" href=${`${providerPath}?to=${encodeURIComponent(this.#here())}`}>Sign in with ${provider}</a>`}
      ${provider !== "" && password ? html`<div class="or">or</div>` : nothing}
      ${password ? this.#password() : nothing}
    </div>`;
  }

  #password(): TemplateResult {
    return html`<form @submit=${this.#onPassword}>
      <label>Name <input name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus></label>
      <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
      ${this.#submit("Sign in")}
    </form>`;
  }

  #token(): TemplateResult {
    return html`<form @submit=${this.#onToken}>
      <label>Token <input name="token" type="password" autocomplete="off" spellcheck="false" required autofocus>
        <span class="hint">It counts in this page until it is closed or loaded anew, and is kept nowhere.</span></label>
      ${this.#submit("Sign in with the token")}
    </form>`;
  }

  #change(name: string): TemplateResult {
    return html`<form @submit=${this.#onChange}>
      <p class="soft">Somebody else knows the password that you have signed in with. Choose another one, of ${leastPassword} characters at least.</p>
      <input name="username" autocomplete="username" .value=${name} hidden>
      ${this.state.session.knowsInitial ? nothing : html`<label>Present password <input name="current" type="password" autocomplete="current-password" required></label>`}
      <label>New password <input name="next" type="password" autocomplete="new-password" minlength=${leastPassword} required autofocus></label>
      <label>The same again <input name="again" type="password" autocomplete="new-password" required></label>
      ${this.#submit("Change it and go on")}
    </form>`;
  }

  #submit(text: string): TemplateResult {
    return html`<button class="button primary" type="submit" ?disabled=${this.isBusy}>${text}</button>`;
  }

  #foot(): TemplateResult {
    const turn = (): void => {
      this.byToken = !this.byToken;
      this.refusal = undefined;
    };
    return html`<p class="foot"><button class="plain" @click=${turn}>${this.byToken ? html`${icon("back")} Other ways to sign in` : html`${icon("key")} Use a token`}</button></p>`;
  }

  #here(): string {
    const { pathname, search } = this.state.address.url;
    return pathname + search;
  }

  #onPassword(event: Event): void {
    void this.#send(event, ({ name = "", password = "" }) => this.state.session.signIn(name, password));
  }

  #onToken(event: Event): void {
    void this.#send(event, ({ token = "" }) => this.state.session.useToken(token));
  }

  #onChange(event: Event): void {
    void this.#send(event, async ({ current = "", next = "", again = "" }) => {
      if (next === again) return this.state.session.changePassword(current, next);
      const detail = "The two new passwords are not the same.";
      return { title: "", detail, remedy: "", isSignedOut: false, isWorthRetrying: false };
    });
  }

  async #send(event: Event, act: (typed: Record<string, string>) => Promise<Refusal | undefined>): Promise<void> {
    event.preventDefault();
    if (this.isBusy || !this.form) return;
    const typed = Object.fromEntries([...new FormData(this.form)].map(([name, value]) => [name, String(value)]));
    this.isBusy = true;
    this.refusal = await act(typed);
    this.isBusy = false;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-sign-in": SignInPage;
  }
}
