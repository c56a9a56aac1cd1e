/** A sheet over the page, which holds the keyboard while it is open: the browser's own dialog, with a heading and a way out. Says `close` when it goes. */
import { css, html, LitElement, nothing } from "lit";
import { customElement, property, query } from "lit/decorators.js";
import { icon } from "./icon.ts";
import { sheet } from "./sheet.ts";

@customElement("fl-dialog")
export class Dialog extends LitElement {
  static override styles = [
    sheet,
    css`
      dialog { width: min(var(--dialog-width, 520px), calc(100vw - 24px)); max-height: min(80vh, calc(100vh - 24px)); padding: 0; color: var(--ink); background: var(--raised); border: 1px solid var(--line); border-radius: 12px; box-shadow: var(--shadow); overflow: hidden; }
      dialog[open] { display: flex; flex-direction: column; }
      dialog.high { margin-top: 12vh; }
      dialog::backdrop { background: var(--veil); }
      .head { display: flex; align-items: center; gap: var(--s2); padding: var(--s3) var(--s3) 0 var(--s6); }
      .head h2 { flex: 1; font-size: var(--text-l); line-height: 24px; }
      .body { padding: var(--s2) var(--s6) var(--s6); overflow: auto; }
      .bare .body { padding: 0; display: flex; flex-direction: column; min-height: 0; }
    `,
  ];

  @property({ type: Boolean }) accessor open = false;
  @property() accessor heading = "";
  /** Without heading and margins: what is inside has its own. */
  @property({ type: Boolean }) accessor bare = false;
  @query("dialog") private accessor dialog!: HTMLDialogElement;

  override render() {
    return html`<dialog class=${this.bare ? "bare high" : ""} aria-label=${this.heading} @close=${this.#onClose} @click=${this.#onClick}>
      ${
        this.bare
          ? nothing
          : html`<div class="head"><h2>${this.heading}</h2><button class="plain" aria-label="Close" @click=${this.#leave}>${icon("close")}</button></div>`
      }
      <div class="body" tabindex=${this.bare ? nothing : "0"}><slot></slot></div>
    </dialog>`;
  }

  protected override updated(): void {
    if (this.open && !this.dialog.open) this.dialog.showModal();
    if (!this.open && this.dialog.open) this.dialog.close();
  }

  #leave(): void {
    this.dialog.close();
  }

  #onClose(): void {
    this.open = false;
    this.dispatchEvent(new Event("close"));
  }

  /** Of the veil: whatever is inside has another target. */
  #onClick(event: MouseEvent): void {
    if (event.target === this.dialog) this.dialog.close();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-dialog": Dialog;
  }
}
