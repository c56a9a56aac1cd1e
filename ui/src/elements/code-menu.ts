/** "Copy as code": the same as this view, as lines for other tools. */
import "@awesome.me/webawesome/dist/components/dropdown/dropdown.js";
import "@awesome.me/webawesome/dist/components/dropdown-item/dropdown-item.js";
import { css, html, LitElement } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { CodeLine } from "../model/as-code.ts";
import { icon } from "./icon.ts";
import { sheet } from "./sheet.ts";

/** Milliseconds. */
const saidMs = 2_000;

@customElement("fl-code-menu")
export class CodeMenu extends LitElement {
  static override styles = [
    sheet,
    css`
      :host { display: inline-flex; }
      code { display: block; max-width: min(64ch, 70vw); color: var(--soft); font-size: var(--text-s); }
      b { font-weight: 500; }
    `,
  ];

  @property({ attribute: false }) accessor lines: readonly CodeLine[] = [];
  @state() private accessor said = "";

  override render() {
    return html`
      <wa-dropdown placement="bottom-end" @wa-select=${this.#copy}>
        <button class="button" slot="trigger">
          ${icon(this.said === "Copied" ? "done" : "copy")}${this.said || "Copy as code"}
        </button>
        ${this.lines.map(({ tool, line }) => html`<wa-dropdown-item value=${line}><b>${tool}</b><code class="cut">${line}</code></wa-dropdown-item>`)}
      </wa-dropdown>
      <span class="unseen" role="status">${this.said}</span>
    `;
  }

  async #copy(event: CustomEvent<{ item: { value?: string } }>): Promise<void> {
    // Browsers let a page copy only where nobody else can have changed it on the way.
    const copied = await navigator.clipboard?.writeText(event.detail.item.value ?? "").then(
      () => true,
      () => false,
    );
    this.said = copied ? "Copied" : "Copying needs https";
    setTimeout(() => {
      this.said = "";
    }, saidMs);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-code-menu": CodeMenu;
  }
}
