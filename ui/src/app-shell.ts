/** The frame: the row on top, the page below, and what lies over both. It knows every page and draws none. */
import { SignalWatcher } from "@lit-labs/signals";
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { keyed } from "lit/directives/keyed.js";
import { shellStyles } from "./app-shell-styles.ts";
import "./dialogs/agent-sheet.ts";
import "./dialogs/key-sheet.ts";
import "./dialogs/palette.ts";
import "./elements/empty-state.ts";
import { icon } from "./elements/icon.ts";
import { mark } from "./elements/mark.ts";
import { sheet } from "./elements/sheet.ts";
import "./elements/toast-list.ts";
import { timeOf } from "./model/age.ts";
import { bindingOf } from "./model/command.ts";
import { connectionOf } from "./model/connection.ts";
import { toRefusal } from "./model/refusal.ts";
import { rolesText } from "./model/roles.ts";
import "./pages/sign-in.ts";
import { type Place, placeOf, type Route, routes } from "./routes.ts";
import { shellCommands } from "./shell-commands.ts";
import type { ConsoleState } from "./state/console-state.ts";

@customElement("fl-app")
export class AppShell extends SignalWatcher(LitElement) {
  static override styles = [sheet, shellStyles];

  @property({ attribute: false }) accessor state: ConsoleState | undefined = undefined;
  @state() private accessor over: "palette" | "keys" | "agent" | undefined = undefined;
  /** The page whose part of the bundle is here, and the one whose part did not come. */
  @state() private accessor loaded: Route | undefined = undefined;
  @state() private accessor unloadable: Route | undefined = undefined;
  @query("main") private accessor main!: HTMLElement | null;
  #leave: (() => void)[] = [];
  #wanted: Route | undefined;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("state") && this.state) this.#begin(this.state);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const leave of this.#leave.splice(0)) leave();
  }

  override render() {
    const { state } = this;
    if (!state) return nothing;
    const session = state.session.state;
    if (session.kind === "asking") return html`<p class="unseen" role="status">Loading</p>`;
    if (session.kind === "unreachable") return this.#unreachable(state);
    if (session.kind !== "in") return html`<fl-sign-in .state=${state}></fl-sign-in>`;
    const place = placeOf(state.address.url.pathname);
    return html`
      ${this.#top(state, place)}
      ${this.#lost(state)}
      <main tabindex="-1">${this.#page(state, place)}</main>
      ${this.#bottom(place)}
      ${this.#over(state)}
      <fl-toasts .toasts=${state.toasts.list()} @fl-dismiss=${(event: CustomEvent<number>) => state.toasts.dismiss(event.detail)}
        @fl-hold=${() => state.toasts.hold()} @fl-release=${() => state.toasts.release()}></fl-toasts>
    `;
  }

  protected override updated(): void {
    if (!this.state) return;
    const { kind } = this.state.session.state;
    const place = placeOf(this.state.address.url.pathname);
    const title = kind === "in" ? (place?.route.title ?? "Nothing here") : "Sign in";
    const unread = kind === "in" ? this.state.unread.get() : 0;
    const name = this.state.info?.name;
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${title} · ${name === undefined ? "" : `${name} · `}Fairlead`;
    if (kind === "in" && place) void this.#load(place.route);
  }

  #begin(state: ConsoleState): void {
    const onKey = (event: KeyboardEvent): void => this.#onKey(state, event);
    const onClick = (event: MouseEvent): void => this.#onClick(state, event);
    window.addEventListener("keydown", onKey);
    window.addEventListener("click", onClick);
    this.#leave.push(
      () => window.removeEventListener("keydown", onKey),
      () => window.removeEventListener("click", onClick),
      state.commands.add(() =>
        shellCommands(state, { showKeys: () => this.#show("keys"), showAgent: () => this.#show("agent") }),
      ),
      state.keys.add(() => [
        { key: "Ctrl-k", title: "Go to a page, a peer, an app, or do something", run: () => this.#show("palette") },
        { key: "?", title: "These keys", run: () => this.#show("keys") },
      ]),
    );
  }

  #top(state: ConsoleState, place: Place | undefined): TemplateResult {
    const { tone, word } = connectionOf(state.live.status, state.live.components.list());
    const session = state.session.state;
    const who = session.kind === "in" ? `${session.who.name}, ${rolesText(session.who.roles)}` : "";
    return html`<header class="top">
      <button class="button skip" @click=${() => this.main?.focus()}>Skip to the page</button>
      <a class="home" href="/" aria-label=${`Fairlead at ${state.info?.name ?? "this agent"}`}>${mark}<b class="cut">${state.info?.name ?? ""}</b></a>
      <nav class="wide" aria-label="Pages">${this.#links(place)}</nav>
      <span class="grow"></span>
      <button class="plain palette" @click=${() => this.#show("palette")} aria-label="Go to, or do: Ctrl K">${icon("search")}<kbd>Ctrl K</kbd></button>
      <button class="plain" @click=${() => this.#show("agent")} aria-label=${`Agent: ${word}`} title=${word}><i class="dot ${tone}"></i></button>
      <button class="plain" @click=${() => state.turnTheme()} aria-label=${`Theme: ${state.theme}`} title=${`Theme: ${state.theme}`}>${icon(state.theme)}</button>
      <button class="plain" @click=${() => void state.session.signOut()} aria-label="Sign out" title=${`Sign out (${who})`}>${icon("sign-out")}</button>
    </header>`;
  }

  #links(place: Place | undefined): TemplateResult[] {
    const unread = this.state?.unread.get() ?? 0;
    return routes.flatMap((route) => {
      if (!route.icon) return [];
      const badge =
        route.path === "/" && unread > 0
          ? html`<i class="badge" aria-label=${`${unread} unread`}>${unread}</i>`
          : nothing;
      return [
        html`<a href=${route.path} aria-current=${route === place?.route ? "page" : nothing}>${icon(route.icon)}<span>${route.title}</span>${badge}</a>`,
      ];
    });
  }

  #bottom(place: Place | undefined): TemplateResult {
    return html`<nav class="bottom" aria-label="Pages, at the bottom">${this.#links(place)}</nav>`;
  }

  #lost({ live: { status }, ticker }: ConsoleState): TemplateResult | typeof nothing {
    if (status.kind !== "lost") return nothing;
    const since = timeOf(new Date(status.since).toISOString(), ticker.get());
    return html`<p class="lost" role="status">${icon("lost")}<span><b>Not connected since ${since}.</b> What you see is as of then. It is tried again by itself.</span></p>`;
  }

  #page(state: ConsoleState, place: Place | undefined): TemplateResult {
    if (!place) {
      return html`<fl-empty icon="nowhere" heading="Nothing here" text=${`The console has no page at ${state.address.url.pathname}.`}><a href="/">Overview</a></fl-empty>`;
    }
    if (place.route === this.unloadable) {
      return html`<fl-empty tone="failed" icon="failed" heading="This page did not load" text="The agent did not send it. It may have been replaced by a newer one." remedy="Load the console anew.">
        <a href=${state.address.url.href} @click=${() => location.reload()}>Load anew</a></fl-empty>`;
    }
    if (state.live.refused) {
      const { title, detail, remedy } = toRefusal(state.live.refused, "see what there is");
      return html`<fl-empty icon="lock" heading=${title} text=${detail} remedy=${remedy}></fl-empty>`;
    }
    if (place.route !== this.loaded) return html``;
    return html`${keyed(place.route.path, place.route.render(state, place.params))}`;
  }

  async #load(route: Route): Promise<void> {
    if (this.#wanted === route) return;
    this.#wanted = route;
    try {
      await route.load();
      if (this.#wanted === route) this.loaded = route;
    } catch {
      if (this.#wanted === route) this.unloadable = route;
    }
  }

  #over(state: ConsoleState): TemplateResult {
    const close = (): void => {
      this.over = undefined;
    };
    const connection = connectionOf(state.live.status, state.live.components.list());
    return html`
      <fl-palette .open=${this.over === "palette"} .commands=${this.over === "palette" ? state.commands.list() : []} @close=${close}></fl-palette>
      <fl-key-sheet .open=${this.over === "keys"} .bindings=${this.over === "keys" ? state.keys.list() : []} @close=${close}></fl-key-sheet>
      <fl-agent-sheet .open=${this.over === "agent"} .connection=${connection} .info=${state.info} .now=${state.ticker}
        .parts=${state.live.components.list()} @close=${close}></fl-agent-sheet>
    `;
  }

  #unreachable(state: ConsoleState): TemplateResult {
    const session = state.session.state;
    const detail = session.kind === "unreachable" ? session.refusal.detail : "";
    return html`<main><fl-empty tone="failed" icon="lost" heading="The agent does not answer" text=${detail} remedy="Look whether it runs, and whether the way to it is open.">
      <button class="plain" @click=${() => void state.session.ask()}>${icon("retry")} Try again</button></fl-empty></main>`;
  }

  #show(over: "palette" | "keys" | "agent"): void {
    this.over = over;
  }

  #onKey(state: ConsoleState, event: KeyboardEvent): void {
    if (state.session.state.kind !== "in" || this.over !== undefined || event.defaultPrevented) return;
    const [target] = event.composedPath();
    const isWriting = target instanceof HTMLElement && target.matches("input, select, textarea, [contenteditable]");
    if (isWriting && event.key === "Escape") target.blur();
    const isPressed = target instanceof HTMLElement && target.matches("a, button");
    const binding = bindingOf(state.keys.list(), event, isWriting || (isPressed && event.key === "Enter"));
    if (!binding) return;
    event.preventDefault();
    binding.run();
  }

  /** Links within the console lead there without loading it anew. */
  #onClick(state: ConsoleState, event: MouseEvent): void {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.ctrlKey ||
      event.metaKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
    if (link?.target !== "" || link.origin !== location.origin || !placeOf(link.pathname)) return;
    event.preventDefault();
    state.address.go(link.href);
    this.main?.focus({ preventScroll: true });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-app": AppShell;
  }
}
