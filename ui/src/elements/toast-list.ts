/** Short news in a corner. Says `fl-dismiss` with the id of one that is to go, `fl-hold` and `fl-release` while somebody reads. */
import { css, html, LitElement, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import type { Toast } from "../model/toast.ts";
import { icon } from "./icon.ts";
import { sheet } from "./sheet.ts";

@customElement("fl-toasts")
export class ToastList extends LitElement {
  static override styles = [
    sheet,
    css`
      :host { position: fixed; z-index: 20; right: var(--s4); bottom: var(--s4); display: grid; gap: var(--s2); width: min(400px, calc(100vw - 24px)); pointer-events: none; }
      .list { display: grid; gap: var(--s2); }
      article { display: grid; grid-template-columns: 18px minmax(0, 1fr) auto; gap: 2px var(--s3); align-items: start; padding: var(--s3) var(--s2) var(--s3) var(--s4); background: var(--raised); border: 1px solid var(--line); border-radius: var(--radius-l); box-shadow: var(--shadow); pointer-events: auto; overflow-wrap: anywhere; }
      article > .icon, article > span .icon { width: 18px; height: 18px; margin-top: 1px; }
      button.plain { margin: -6px 0; }
      a { text-decoration: underline; }
      b { font-weight: 600; }
      p { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
      .ok { color: var(--ok); }
      .progressing { color: var(--progressing); }
      .held { color: var(--held); }
      .degraded { color: var(--degraded); }
      .failed { color: var(--failed); }
      .unknown { color: var(--unknown); }
      @media (max-width: 700px) { :host { right: var(--s3); bottom: calc(var(--s3) + 56px); } article { padding: 6px 4px 6px var(--s3); } p { display: none; } }
    `,
  ];

  @property({ attribute: false }) accessor toasts: readonly Toast[] = [];

  override render() {
    return html`<div class="list" role="log" aria-live="polite" aria-label="News"
      @pointerenter=${() => this.#say("fl-hold")} @pointerleave=${() => this.#say("fl-release")} @focusin=${() => this.#say("fl-hold")} @focusout=${() => this.#say("fl-release")}>${repeat(
        this.toasts,
        ({ id }) => id,
        ({ id, tone, title, text, way }) => html`<article>
        <span class=${tone}>${icon(tone, tone)}</span>
        <div><b>${title}</b><p class="soft">${text}</p>${way ? html`<a href=${way.href}>${way.label}</a>` : nothing}</div>
        <button class="plain" aria-label="Take it away" @click=${() => this.dispatchEvent(new CustomEvent("fl-dismiss", { detail: id }))}>${icon("close")}</button>
      </article>`,
      )}</div>`;
  }

  #say(name: "fl-hold" | "fl-release"): void {
    this.dispatchEvent(new Event(name));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-toasts": ToastList;
  }
}
