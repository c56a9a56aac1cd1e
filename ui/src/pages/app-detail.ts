/** One app beside the list: how it is and why, where, its pods, its story. Says `close`. */
import { css, html, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { AppPod } from "../../../src/gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import "../dialogs/confirm-name.ts";
import "../elements/age.ts";
import "../elements/code-menu.ts";
import "../elements/empty-state.ts";
import { icon } from "../elements/icon.ts";
import { sheet } from "../elements/sheet.ts";
import "../elements/status-pill.ts";
import "../elements/story.ts";
import type { AppRow } from "../model/app-row.ts";
import { appAsCode } from "../model/as-code.ts";
import type { Command } from "../model/command.ts";
import type { Refusal } from "../model/refusal.ts";
import { latestFirst, lineOfEvent } from "../model/story.ts";
import { Page } from "./page.ts";

const mostEvents = 20;

@customElement("fl-app-detail")
export class AppDetail extends Page {
  static override styles = [
    sheet,
    css`
      :host { display: block; }
      header { position: sticky; top: 0; z-index: 1; display: flex; align-items: center; gap: var(--s2); padding: var(--s3) var(--s2) var(--s3) var(--s4); background: var(--sheet); border-bottom: 1px solid var(--line); }
      header h2 { font-size: var(--text-l); line-height: 24px; }
      section { padding: var(--s4); }
      section + section { border-top: 1px solid var(--line); }
      section.story { padding: var(--s4) 0 var(--s2); }
      section.story h3 { padding: 0 var(--s4); }
      h3 { font-size: var(--text-s); font-weight: 500; color: var(--soft); margin-bottom: var(--s2); }
      .cause { margin-top: var(--s2); overflow-wrap: anywhere; }
      dl { display: grid; grid-template-columns: 88px minmax(0, 1fr); gap: 6px var(--s3); }
      dt { color: var(--soft); }
      dd { overflow-wrap: anywhere; }
      .deeds { display: flex; flex-wrap: wrap; gap: var(--s2); margin-top: var(--s4); }
      li { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 2px var(--s2); padding: 6px 0; }
      li + li { border-top: 1px solid var(--line); }
      li p { grid-column: 1 / -1; overflow-wrap: anywhere; }
    `,
  ];

  /** "namespace/name", also of one that is not there. */
  @property() accessor name = "";
  @property({ attribute: false }) accessor row: AppRow | undefined = undefined;
  @state() private accessor isDeleting = false;
  @state() private accessor ends: readonly string[] | Refusal | undefined = undefined;

  protected override commands(): readonly Command[] {
    if (!this.row) return [];
    const group = "Actions";
    return [
      { id: "open-app", title: `Open the page of ${this.name}`, group, icon: "open", run: () => void this.#openPage() },
      { id: "delete-app", title: `Delete ${this.name}`, group, icon: "delete", run: () => void this.#weigh() },
    ];
  }

  override render() {
    return html`
      <header>
        <h2 class="grow cut">${this.row?.name ?? this.name}</h2>
        <button class="plain" aria-label="Close the details" @click=${() => this.dispatchEvent(new Event("close"))}>${icon("close")}</button>
      </header>
      ${this.row ? this.#body(this.row) : this.#gone()}
    `;
  }

  #gone(): TemplateResult {
    if (!this.state.live.isSynced) return html``;
    return html`<fl-empty icon="nowhere" heading="There is no such app" text=${`${this.name} was deleted, or you may not see it.`}></fl-empty>`;
  }

  #body(row: AppRow): TemplateResult {
    const { namespace, name, tone, phase, cause, ready, peers, image, createdAt, app, unknownSince } = row;
    const { ticker, address } = this.state;
    const isStale = unknownSince !== "" || this.state.live.status.kind === "lost";
    const { status, spec } = app;
    return html`
      <section>
        <fl-status tone=${tone} word=${phase} ?stale=${isStale}></fl-status>
        ${unknownSince === "" ? nothing : html`<span class="soft"> as of <fl-age ago .at=${unknownSince} .now=${ticker}></fl-age></span>`}
        ${cause === "" ? nothing : html`<p class="cause">${cause}</p>`}
        <div class="deeds">
          ${(spec?.ports.length ?? 0) > 0 ? html`<button class="button primary" @click=${this.#openPage}>${icon("open")}Open page</button>` : nothing}
          <fl-code-menu .lines=${appAsCode(namespace, name, address.url.origin)}></fl-code-menu>
          <button class="button" @click=${this.#weigh}>${icon("delete")}Delete</button>
        </div>
      </section>
      <section>
        <dl>
          <dt>Namespace</dt><dd>${namespace}</dd>
          <dt>Runs at</dt><dd>${peers.join(", ") || "nowhere yet"}</dd>
          <dt>Ready</dt><dd>${ready}</dd>
          <dt>Image</dt><dd><code>${image}</code></dd>
          <dt>Revision</dt><dd>${status?.revision ?? "–"}</dd>
          <dt>Created</dt><dd><fl-age ago .at=${createdAt} .now=${ticker}></fl-age></dd>
        </dl>
      </section>
      ${this.#pods(status?.pods ?? [])}
      ${this.#story(row)}
      <fl-confirm-name .open=${this.isDeleting} heading=${`Delete ${namespace}/${name}`} verb="Delete" .name=${name}
        .consequences=${this.#consequences()} .refusal=${this.#refusal()}
        @close=${this.#stay} @confirm=${this.#delete}></fl-confirm-name>
    `;
  }

  #pods(pods: readonly AppPod[]): TemplateResult | typeof nothing {
    if (pods.length === 0) return nothing;
    return html`<section>
      <h3>Pods</h3>
      <ul>${pods.map(
        ({ name = "", ready, phase = "", reason = "", message = "", restarts = 0, peer = "", startedAt = "" }) => {
          const why = [reason, message].filter(Boolean).join(": ");
          return html`<li>
          <span class="mono cut" title=${name}>${name}</span>
          <fl-status tone=${ready ? "ok" : why === "" ? "progressing" : "degraded"} word=${ready ? "Ready" : phase || "Waiting"}></fl-status>
          <p class="soft">
            ${startedAt === "" ? nothing : html`for <fl-age .at=${startedAt} .now=${this.state.ticker}></fl-age>`}
            ${[peer, restarts > 0 ? `${restarts} restarts` : "", why].filter(Boolean).map((one) => html` · ${one}`)}
          </p>
        </li>`;
        },
      )}</ul>
    </section>`;
  }

  #story({ app }: AppRow): TemplateResult | typeof nothing {
    const lines = latestFirst((app.status?.events ?? []).map(lineOfEvent), mostEvents);
    if (lines.length === 0) return nothing;
    return html`<section class="story"><h3>Story</h3><fl-story .lines=${lines} .now=${this.state.ticker.get()}></fl-story></section>`;
  }

  async #openPage(): Promise<void> {
    if (!this.row) return;
    // Before the answer, or the browser takes it for a window that nobody asked for.
    const page = open("about:blank");
    const url = await this.state.actions.openApp(this.row);
    if (page && url !== undefined) page.location.href = url;
    else page?.close();
  }

  async #weigh(): Promise<void> {
    if (!this.row) return;
    this.ends = undefined;
    this.isDeleting = true;
    this.ends = await this.state.actions.weighDeletion(this.row);
  }

  #consequences(): readonly string[] | undefined {
    if (!this.row || !this.ends || "title" in this.ends) return undefined;
    if (this.ends.length === 0) return ["It runs nowhere. Its RemoteApp is deleted, with its revisions."];
    const where = new Intl.ListFormat("en").format(this.ends);
    return [
      `${this.row.ready} pods at ${where} end, and what they keep there is deleted.`,
      "Its page and its forwards stop working at once.",
    ];
  }

  #refusal(): string {
    if (!this.ends || !("title" in this.ends)) return "";
    const { title, detail, remedy } = this.ends;
    return [`${title}: ${detail}`, remedy].filter(Boolean).join(" ");
  }

  #stay(): void {
    this.isDeleting = false;
  }

  async #delete(): Promise<void> {
    this.isDeleting = false;
    if (this.row) await this.state.actions.deleteApp(this.row);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-app-detail": AppDetail;
  }
}
