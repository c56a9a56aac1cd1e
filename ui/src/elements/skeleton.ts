/** Keeps the place of lines that are still to come; for the first 200 ms it is not seen. */
import { css, html, LitElement } from "lit";
import { customElement, property } from "lit/decorators.js";

@customElement("fl-skeleton")
export class Skeleton extends LitElement {
  static override styles = css`
    :host { display: block; opacity: 0; animation: appear 1ms 200ms forwards; }
    div { height: var(--row); display: flex; align-items: center; gap: 24px; padding: 0 16px; border-bottom: 1px solid var(--line); }
    i { height: 10px; border-radius: 5px; background: var(--line); }
    i:nth-child(1) { width: 18%; }
    i:nth-child(2) { width: 10%; }
    i:nth-child(3) { flex: 1; }
    i:nth-child(4) { width: 8%; }
    @keyframes appear { to { opacity: 1; } }
  `;

  @property({ type: Number }) accessor lines = 8;

  override render() {
    return html`${Array.from(
      { length: this.lines },
      () => html`<div aria-hidden="true"><i></i><i></i><i></i><i></i></div>`,
    )}`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-skeleton": Skeleton;
  }
}
