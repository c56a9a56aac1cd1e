/** Ctrl-K: type a few letters of a page, a peer, an app or an action. Says `close` when it goes. */
import { css, html, LitElement, nothing, type PropertyValues } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import "../elements/dialog.ts";
import { icon } from "../elements/icon.ts";
import { sheet } from "../elements/sheet.ts";
import type { Command } from "../model/command.ts";
import { bestMatches } from "../model/matching.ts";

const mostShown = 40;

@customElement("fl-palette")
export class Palette extends LitElement {
  static override styles = [
    sheet,
    css`
      fl-dialog { --dialog-width: 600px; }
      .box { display: flex; align-items: center; gap: var(--s2); padding: 0 var(--s4); border-bottom: 1px solid var(--line); color: var(--soft); }
      input { flex: 1; height: 48px; padding: 0; border: 0; background: none; font-size: var(--text-l); }
      input:focus-visible { outline: none; }
      ul { overflow: auto; padding: var(--s2); max-height: 50vh; }
      li { display: flex; align-items: center; gap: var(--s3); min-height: 36px; padding: 0 var(--s3); border-radius: var(--radius); cursor: pointer; }
      li .icon { color: var(--soft); }
      li[aria-selected="true"] { background: var(--chosen); }
      li[role="presentation"] { min-height: 28px; font-size: var(--text-s); color: var(--soft); cursor: default; }
      .hint { color: var(--soft); font-size: var(--text-s); }
      p { padding: var(--s6); text-align: center; color: var(--soft); }
    `,
  ];

  @property({ type: Boolean }) accessor open = false;
  @property({ attribute: false }) accessor commands: readonly Command[] = [];
  @state() private accessor typed = "";
  @state() private accessor chosen = 0;
  @query("input") private accessor input!: HTMLInputElement;

  override render() {
    const found = this.#found();
    const chosen = found[this.chosen];
    return html`<fl-dialog bare heading="Go to, or do" ?open=${this.open} @close=${this.#onClose}>
      <div class="box">
        ${icon("search")}
        <input type="text" role="combobox" aria-expanded="true" aria-controls="found" aria-activedescendant=${chosen ? `command-${this.chosen}` : nothing}
          aria-label="A page, a peer, an app or an action" placeholder="A page, a peer, an app or an action" autocomplete="off" spellcheck="false"
          autofocus .value=${this.typed} @input=${this.#onInput} @keydown=${this.#onKey}>
        <kbd>Esc</kbd>
      </div>
      ${
        found.length === 0
          ? html`<p role="status">Nothing is called so. Try fewer letters.</p>`
          : html`<ul id="found" role="listbox" aria-label="What there is">${found.map((command, index) => this.#line(command, index, found[index - 1]))}</ul>`
      }
    </fl-dialog>`;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("open") || !this.open) return;
    this.typed = "";
    this.chosen = 0;
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("open") && this.open) queueMicrotask(() => this.input.focus());
    this.renderRoot.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }

  #line(command: Command, index: number, before: Command | undefined) {
    const { group, title, hint } = command;
    const isFirst = this.typed === "" && before?.group !== group;
    return html`
      ${isFirst ? html`<li role="presentation">${group}</li>` : nothing}
      <li role="option" id=${`command-${index}`} aria-selected=${index === this.chosen ? "true" : "false"} @click=${() => this.#run(command)} @mousemove=${() => this.#choose(index)}>
        ${icon(command.icon)}<span class="grow cut">${title}</span>${hint === undefined ? nothing : html`<span class="hint">${hint}</span>`}
      </li>`;
  }

  #found(): Command[] {
    return bestMatches(this.commands, this.typed, ({ title, hint = "" }) => `${title} ${hint}`, mostShown);
  }

  #choose(index: number): void {
    this.chosen = index;
  }

  #onInput(): void {
    this.typed = this.input.value;
    this.chosen = 0;
  }

  #onKey(event: KeyboardEvent): void {
    const found = this.#found();
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by !== undefined) this.chosen = (this.chosen + by + found.length) % Math.max(1, found.length);
    else if (event.key !== "Enter") return;
    else if (found[this.chosen]) this.#run(found[this.chosen]);
    event.preventDefault();
  }

  #run(command: Command | undefined): void {
    this.#onClose();
    command?.run();
  }

  #onClose(): void {
    this.open = false;
    this.dispatchEvent(new Event("close"));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-palette": Palette;
  }
}
