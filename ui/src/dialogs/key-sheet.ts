/** `?`: which keys do something here. */
import { css, html, LitElement } from "lit";
import { customElement, property } from "lit/decorators.js";
import "../elements/dialog.ts";
import { sheet } from "../elements/sheet.ts";
import type { KeyBinding } from "../model/command.ts";

@customElement("fl-key-sheet")
export class KeySheet extends LitElement {
  static override styles = [
    sheet,
    css`
      fl-dialog { --dialog-width: 400px; }
      dl { display: grid; grid-template-columns: auto 1fr; gap: 6px var(--s4); align-items: baseline; }
      dt { text-align: right; }
    `,
  ];

  @property({ type: Boolean }) accessor open = false;
  @property({ attribute: false }) accessor bindings: readonly KeyBinding[] = [];

  override render() {
    return html`<fl-dialog heading="Keys" ?open=${this.open} @close=${() => this.dispatchEvent(new Event("close"))}>
      <dl>${this.bindings.map(({ key, title }) => html`<dt><kbd>${key.replace(/^Ctrl-(.)$/, (_, letter: string) => `Ctrl ${letter.toUpperCase()}`)}</kbd></dt><dd>${title}</dd>`)}</dl>
    </fl-dialog>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-key-sheet": KeySheet;
  }
}
