/** What needs somebody, first; then how many of what there is, and what happened lately. */
import { css, html, nothing, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import "../elements/age.ts";
import "../elements/empty-state.ts";
import { icon } from "../elements/icon.ts";
import { sheet } from "../elements/sheet.ts";
import "../elements/skeleton.ts";
import "../elements/story.ts";
import { countPhases } from "../model/apps-view.ts";
import type { KeyBinding } from "../model/command.ts";
import type { Notice } from "../model/notices.ts";
import { latestFirst, lineOfEntry } from "../model/story.ts";
import { Page } from "./page.ts";

const mostRecent = 20;

@customElement("fl-overview")
export class OverviewPage extends Page {
  static override styles = [
    sheet,
    css`
      :host { display: block; max-width: 1120px; margin: 0 auto; padding: var(--s6) var(--s6) var(--s12); }
      h1 { margin-bottom: var(--s4); }
      section { margin-top: var(--s6); }
      header { display: flex; align-items: center; gap: var(--s2); min-height: 32px; margin-bottom: var(--s2); }
      .notice { display: grid; grid-template-columns: 20px minmax(0, 1fr) auto; gap: 0 var(--s3); padding: var(--s3) var(--s4); align-items: start; }
      .notice + .notice { border-top: 1px solid var(--line); }
      .notice > .icon { margin-top: 2px; width: 18px; height: 18px; }
      .notice p { overflow-wrap: anywhere; }
      .notice b { font-weight: 600; }
      .read b { font-weight: 400; }
      .deeds { display: flex; gap: var(--s1); align-items: center; }
      .deeds a { padding: 6px 10px; }
      .failed { color: var(--failed); }
      .degraded { color: var(--degraded); }
      .held { color: var(--held); }
      .unknown { color: var(--unknown); }
      .calm { display: flex; align-items: center; gap: var(--s2); padding: var(--s3) var(--s4); }
      .calm .icon { color: var(--ok); }
      .counts { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: var(--s3); }
      .count { display: block; padding: var(--s3) var(--s4); color: inherit; }
      a.count:hover { text-decoration: none; border-color: var(--edge); }
      .count b { display: block; font-size: 24px; line-height: 32px; font-weight: 600; letter-spacing: -0.02em; }
      .dot { display: inline-block; width: 8px; height: 8px; border-radius: 50%; background: var(--live); }
      @media (max-width: 700px) {
        :host { padding: var(--s4) var(--s3) var(--s8); }
        .notice { grid-template-columns: 20px minmax(0, 1fr); padding: var(--s3); }
        .deeds { grid-column: 2; margin: var(--s1) 0 0 -10px; }
      }
    `,
  ];

  protected override keys(): readonly KeyBinding[] {
    return [{ key: "e", title: "Note that you have seen all of it", run: () => void this.#seenAll() }];
  }

  override render() {
    const { live, pressing } = this.state;
    if (!live.isSynced) return html`<h1>Overview</h1><div class="card"><fl-skeleton lines="6"></fl-skeleton></div>`;
    const notices = pressing.get();
    const hasUnread = notices.some(({ isUnread }) => isUnread);
    return html`
      <h1>Overview</h1>
      <section aria-labelledby="needs">
        <header>
          <h2 id="needs" class="grow">Needs you</h2>
          ${hasUnread ? html`<button class="plain" @click=${this.#seenAll}>${icon("seen")} Seen all</button>` : nothing}
        </header>
        <div class="card" aria-live="polite">
          ${
            notices.length === 0
              ? html`<p class="calm">${icon("ok")} Nothing needs you.</p>`
              : repeat(
                  notices,
                  ({ id }) => id,
                  (notice) => this.#notice(notice),
                )
          }
        </div>
      </section>
      <section class="counts" aria-label="What there is">${this.#counts()}</section>
      <section aria-labelledby="recent">
        <header><h2 id="recent">Recently</h2></header>
        <div class="card">${this.#recent()}</div>
      </section>
    `;
  }

  #notice({ id, tone, summary, message, since, count, isUnread, way }: Notice): TemplateResult {
    return html`<article class="notice ${isUnread ? "" : "read"}">
      <span class=${tone}>${icon(tone, tone)}</span>
      <div>
        <p><b>${summary}</b> <span class="soft">· for <fl-age .at=${since} .now=${this.state.ticker}></fl-age>${count > 1 ? ` · ${count} times` : ""}</span></p>
        ${message === "" ? nothing : html`<p class="soft">${message}</p>`}
      </div>
      <div class="deeds">
        ${way ? html`<a href=${way.href}>${way.label}</a>` : nothing}
        ${isUnread ? html`<button class="plain" title="Note that you have seen it" aria-label=${`Note that you have seen: ${summary}`} @click=${() => this.state.actions.acknowledge([id])}>${icon("done")}</button>` : nothing}
      </div>
    </article>`;
  }

  async #seenAll(): Promise<void> {
    const unread = this.state.pressing.get().filter(({ isUnread }) => isUnread);
    await this.state.actions.acknowledge(unread.map(({ id }) => id));
  }

  #counts(): TemplateResult[] {
    const { live, info } = this.state;
    const rows = this.state.appRows.get();
    const phases = countPhases(rows).map(({ phase, count }) => `${count} ${phase}`);
    const peers = live.peers.list();
    const connected = peers.filter(({ status }) => status?.link?.state === "Connected").length;
    const waiting = live.inbox.list().filter(({ decidedAt }) => decidedAt === "").length;
    return [
      html`<a class="card count" href="/apps"><span class="soft">Apps here</span><b>${rows.length}</b><span class="soft">${phases.join(", ") || "none yet"}</span></a>`,
      html`<div class="card count"><span class="soft">Peers</span><b>${peers.length}</b><span class="soft">${peers.length === 0 ? "none yet" : `${connected} connected`}</span></div>`,
      html`<div class="card count"><span class="soft">Run here for peers</span><b>${info?.workloads ?? "–"}</b><span class="soft">${waiting === 0 ? "none waits for approval" : `${waiting} wait for approval`}</span></div>`,
    ];
  }

  #recent(): TemplateResult {
    const lines = latestFirst(this.state.live.audit.list().map(lineOfEntry), mostRecent);
    if (lines.length === 0) {
      return html`<fl-empty icon="overview" heading="Nothing has happened yet" text="What people and peers ask for, and what becomes of it, is told here."></fl-empty>`;
    }
    return html`<fl-story .lines=${lines} .now=${this.state.ticker.get()}></fl-story>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-overview": OverviewPage;
  }
}
