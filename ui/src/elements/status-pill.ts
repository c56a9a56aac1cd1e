/** How something is: an icon, a word and a colour, any one of which says it. */
import { css, html, LitElement } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Tone } from "../model/tone.ts";
import { icon } from "./icon.ts";
import { sheet } from "./sheet.ts";

@customElement("fl-status")
export class StatusPill extends LitElement {
  static override styles = [
    sheet,
    css`
      :host { display: inline-flex; }
      span { display: inline-flex; align-items: center; gap: 5px; height: 22px; padding: 0 8px 0 6px; border-radius: 11px; font-size: var(--text-s); font-weight: 500; white-space: nowrap; color: var(--unknown); background: var(--unknown-faint); }
      .icon { width: 14px; height: 14px; }
      .ok { color: var(--ok); background: var(--ok-faint); }
      .progressing { color: var(--progressing); background: var(--progressing-faint); }
      .held { color: var(--held); background: var(--held-faint); }
      .degraded { color: var(--degraded); background: var(--degraded-faint); }
      .failed { color: var(--failed); background: var(--failed-faint); }
      :host([stale]) span { color: var(--unknown); background: var(--unknown-faint); }
    `,
  ];

  @property() accessor tone: Tone = "unknown";
  @property() accessor word = "";
  /** What is shown may be old. */
  @property({ type: Boolean, reflect: true }) accessor stale = false;

  override render() {
    return html`<span class=${this.tone}>${icon(this.tone)}${this.word}</span>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-status": StatusPill;
  }
}
