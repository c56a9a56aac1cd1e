/** In the place of a list that has nothing: why, and what to do. The same says what has failed. */
import { css, html, LitElement, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { IconName } from "../model/icon-names.ts";
import { icon } from "./icon.ts";
import { sheet } from "./sheet.ts";

@customElement("fl-empty")
export class EmptyState extends LitElement {
  static override styles = [
    sheet,
    css`
      :host { display: grid; place-items: center; padding: var(--s12) var(--s4); text-align: center; }
      .icon { width: 28px; height: 28px; color: var(--soft); margin-bottom: var(--s3); }
      :host([tone="failed"]) .icon { color: var(--failed); }
      h2 { font-size: var(--text-l); line-height: 24px; }
      p { max-width: 56ch; color: var(--soft); overflow-wrap: anywhere; }
      p.remedy { color: var(--ink); margin-top: var(--s1); }
      slot { display: flex; gap: var(--s2); justify-content: center; margin-top: var(--s4); }
    `,
  ];

  @property() accessor icon: IconName = "empty";
  @property() accessor heading = "";
  @property() accessor text = "";
  /** What to do. */
  @property() accessor remedy = "";
  @property({ reflect: true }) accessor tone: "plain" | "failed" = "plain";

  override render() {
    return html`<div role=${this.tone === "failed" ? "alert" : nothing}>
      ${icon(this.icon)}
      <h2>${this.heading}</h2>
      ${this.text === "" ? nothing : html`<p>${this.text}</p>`}
      ${this.remedy === "" ? nothing : html`<p class="remedy">${this.remedy}</p>`}
      <slot></slot>
    </div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-empty": EmptyState;
  }
}
