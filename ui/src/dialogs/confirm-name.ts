/** Before what cannot be undone: what it will end, and the name to be typed. Says `confirm` or `close`. */
import { css, html, LitElement, type PropertyValues } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import "../elements/dialog.ts";
import { sheet } from "../elements/sheet.ts";

@customElement("fl-confirm-name")
export class ConfirmName extends LitElement {
  static override styles = [
    sheet,
    css`
      form { display: grid; gap: var(--s4); }
      ul { list-style: disc; padding-left: 20px; }
      label { display: grid; gap: var(--s1); }
      footer { display: flex; justify-content: flex-end; gap: var(--s2); }
      b { user-select: all; }
    `,
  ];

  @property({ type: Boolean }) accessor open = false;
  /** A verb and what it is done to, as in "Delete shop/web". */
  @property() accessor heading = "";
  /** The verb alone, on the button. */
  @property() accessor verb = "";
  @property() accessor name = "";
  /** What will come of it, a sentence each; undefined while that is being found out. */
  @property({ attribute: false }) accessor consequences: readonly string[] | undefined = undefined;
  /** Why it cannot be done; empty when it can. */
  @property() accessor refusal = "";
  @state() private accessor typed = "";

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("open") && this.open) this.typed = "";
  }

  override render() {
    const isReady = this.typed === this.name && this.consequences !== undefined && this.refusal === "";
    return html`<fl-dialog heading=${this.heading} ?open=${this.open} @close=${() => this.dispatchEvent(new Event("close"))}>
      <form @submit=${(event: Event) => this.#onSubmit(event, isReady)}>
        ${
          this.refusal !== ""
            ? html`<p role="alert">${this.refusal}</p>`
            : this.consequences === undefined
              ? html`<p class="soft" role="status">Finding out what will come of it …</p>`
              : html`<ul>${this.consequences.map((one) => html`<li>${one}</li>`)}</ul>`
        }
        <label><span>Type <b class="mono">${this.name}</b> to go on</span>
          <input autocomplete="off" spellcheck="false" .value=${this.typed} @input=${this.#onInput}></label>
        <footer>
          <button class="button" type="button" @click=${() => this.dispatchEvent(new Event("close"))}>Cancel</button>
          <button class="button danger" type="submit" ?disabled=${!isReady}>${this.verb}</button>
        </footer>
      </form>
    </fl-dialog>`;
  }

  #onInput(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.typed = event.target.value;
  }

  #onSubmit(event: Event, isReady: boolean): void {
    event.preventDefault();
    if (isReady) this.dispatchEvent(new Event("confirm"));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-confirm-name": ConfirmName;
  }
}
