/** What happened, one line each, the latest first. */
import { css, html, LitElement, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { exactTimeOf, timeOf } from "../model/age.ts";
import type { StoryLine } from "../model/story.ts";
import { icon } from "./icon.ts";
import { sheet } from "./sheet.ts";

@customElement("fl-story")
export class Story extends LitElement {
  static override styles = [
    sheet,
    css`
      li { display: grid; grid-template-columns: 56px 16px minmax(0, 1fr); gap: 0 var(--s2); padding: 6px var(--s4); line-height: 20px; }
      li + li { border-top: 1px solid var(--line); }
      time { color: var(--soft); }
      li > span { color: var(--soft); }
      .icon { width: 14px; height: 14px; margin-top: 3px; }
      li > .held { color: var(--held); }
      li > .degraded { color: var(--degraded); }
      li > .failed { color: var(--failed); }
      p { overflow-wrap: anywhere; }
      b { font-weight: 600; }
      @media (max-width: 700px) { li { grid-template-columns: 16px minmax(0, 1fr); } time { grid-column: 2; grid-row: 2; font-size: var(--text-s); } }
    `,
  ];

  @property({ attribute: false }) accessor lines: readonly StoryLine[] = [];
  /** What time it is, in milliseconds: what was today has no date. */
  @property({ type: Number }) accessor now = 0;

  override render() {
    return html`<ol>${repeat(
      this.lines,
      ({ key }) => key,
      ({ at, tone, who, did, target, detail }) => html`<li>
        <time datetime=${at} title=${exactTimeOf(at)}>${timeOf(at, this.now)}</time>
        <span class=${tone}>${icon(tone, tone === "ok" ? "" : tone)}</span>
        <p>
          <b>${who}</b> ${did} ${target === "" ? nothing : html`<span class="mono">${target}</span>`}
          ${detail === "" ? nothing : html`<span class="soft">· ${detail}</span>`}
        </p>
      </li>`,
    )}</ol>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-story": Story;
  }
}
