/** How long ago something was, which goes on by itself; the exact time shows on hover, and to screen readers. */
import { SignalWatcher } from "@lit-labs/signals";
import { html, LitElement, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { ageOf, agoOf, exactTimeOf } from "../model/age.ts";

@customElement("fl-age")
export class Age extends SignalWatcher(LitElement) {
  /** RFC 3339. */
  @property() accessor at = "";
  /** "4 min ago" instead of "4 min". */
  @property({ type: Boolean }) accessor ago = false;
  /** What time it is. */
  @property({ attribute: false }) accessor now: { get(): number } | undefined = undefined;

  protected override createRenderRoot(): this {
    return this;
  }

  override render() {
    if (!this.now || this.at === "") return nothing;
    const now = this.now.get();
    const text = this.ago ? agoOf(this.at, now) : ageOf(this.at, now);
    return html`<time datetime=${this.at} title=${exactTimeOf(this.at)}>${text}</time>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-age": Age;
  }
}
