/** Every element in every state, for who makes the console. It is in no build for others. */
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import "../dialogs/confirm-name.ts";
import "../elements/age.ts";
import "../elements/code-menu.ts";
import "../elements/empty-state.ts";
import { icon } from "../elements/icon.ts";
import type { Column } from "../elements/resource-table.ts";
import { type IconName, iconNames } from "../model/icon-names.ts";
import "../elements/resource-table.ts";
import { sheet } from "../elements/sheet.ts";
import "../elements/skeleton.ts";
import "../elements/status-pill.ts";
import "../elements/story.ts";
import "../elements/toast-list.ts";
import { appAsCode } from "../model/as-code.ts";
import type { StoryLine } from "../model/story.ts";
import { tones } from "../model/tone.ts";

interface Line {
  readonly key: string;
  readonly size: number;
}

const shown = Date.parse("2026-01-02T12:00:00Z");
const ages = ["2026-01-02T11:59:58Z", "2026-01-02T11:56:00Z", "2026-01-02T09:00:00Z", "2025-12-24T12:00:00Z", ""];

@customElement("fl-gallery")
export class Gallery extends LitElement {
  static override styles = [
    sheet,
    css`
      :host { display: grid; gap: var(--s8); max-width: 1000px; margin: 0 auto; padding: var(--s6); }
      .row { display: flex; flex-wrap: wrap; align-items: center; gap: var(--s3); }
      h2 { margin-bottom: var(--s3); }
      .table { height: 320px; overflow: hidden; }
      .narrow { width: 340px; }
      fl-toasts { position: static; }
      figure { display: grid; justify-items: center; gap: var(--s1); width: 76px; font-size: 11px; color: var(--soft); }
    `,
  ];

  @state() private accessor open: "weighing" | "ready" | "refused" | undefined = undefined;

  override render() {
    const now = { get: () => shown };
    const close = (): void => {
      this.open = undefined;
    };
    return html`
      <h1>Elements</h1>
      ${this.#part("Status", html`${tones.map((tone) => html`<fl-status tone=${tone} word=${tone}></fl-status>`)}<fl-status tone="ok" word="stale" stale></fl-status>`)}
      ${this.#part("Age", html`${ages.map((at) => html`<fl-age .at=${at} .now=${now}></fl-age> <fl-age ago .at=${at} .now=${now}></fl-age>`)}`)}
      ${this.#part("Buttons", html`<button class="button primary">Primary</button><button class="button">Other</button><button class="button danger">Danger</button><button class="button" disabled>Disabled</button><button class="plain">${icon("copy")} Plain</button>`)}
      ${this.#part("Inputs", html`<label>Words <input placeholder="Filter"></label><label>Choice <select><option>Any</option></select></label><kbd>Ctrl K</kbd>`)}
      ${this.#part("Copy as code", html`<fl-code-menu .lines=${appAsCode("shop", "web", "https://console.example")}></fl-code-menu>`)}
      <section><h2>Table</h2><div class="card table">${this.#table(5_000)}</div></section>
      <section><h2>Table as cards</h2><div class="card table narrow">${this.#table(200)}</div></section>
      <section><h2>Story</h2><div class="card"><fl-story .lines=${story} .now=${shown}></fl-story></div></section>
      <section><h2>Nothing there</h2><div class="card"><fl-empty icon="apps" heading="No apps yet" text="An app runs at a peer." remedy="Deploy one."><button class="button">Deploy</button></fl-empty></div></section>
      <section><h2>Failed</h2><div class="card"><fl-empty tone="failed" icon="failed" heading="You may not see this" text="It needs the role viewer for berlin." remedy="Who can give it: ana."></fl-empty></div></section>
      <section><h2>Loading</h2><div class="card"><fl-skeleton lines="3"></fl-skeleton></div></section>
      ${this.#part(
        "Confirm by name",
        html`${(["weighing", "ready", "refused"] as const).map(
          (open) => html`<button class="button" @click=${() => this.#show(open)}>${open}</button>`,
        )}`,
      )}
      <fl-confirm-name .open=${this.open !== undefined} heading="Delete shop/web" verb="Delete" .name=${"web"}
        .consequences=${this.open === "weighing" ? undefined : ["3/3 pods at berlin end."]}
        .refusal=${this.open === "refused" ? "You may not delete the app: it needs the role operator." : ""} @close=${close} @confirm=${close}></fl-confirm-name>
      <section><h2>Toasts</h2><fl-toasts .toasts=${tones.map((tone, id) => ({ id, tone, title: `shop/web is ${tone}`, text: "Why it is so.", way: { href: "/apps", label: "Show app" } }))}></fl-toasts></section>
      ${this.#part("Icons", html`${names.map((name) => html`<figure>${icon(name)}${name}</figure>`)}`)}
    `;
  }

  #part(heading: string, content: TemplateResult): TemplateResult {
    return html`<section><h2>${heading}</h2><div class="row">${content}</div></section>`;
  }

  #table(count: number): TemplateResult {
    const rows = Array.from({ length: count }, (_, index): Line => ({ key: `app-${index}`, size: index }));
    return html`<fl-table label=${`${count} lines`} order="name" selected="app-2" .rows=${rows} .columns=${columns}></fl-table>`;
  }

  #show(open: "weighing" | "ready" | "refused"): void {
    this.open = open;
  }
}

const names = Object.keys(iconNames).filter((name): name is IconName => name in iconNames);

const columns: Column<Line>[] = [
  { key: "name", head: "Name", sortable: true, onCard: "title", cell: ({ key }) => key },
  {
    key: "state",
    head: "State",
    width: "132px",
    onCard: "side",
    cell: ({ size }) => html`<fl-status tone=${tones[size % tones.length] ?? "ok"} word="State"></fl-status>`,
  },
  { key: "size", head: "Size", width: "30%", sortable: true, onCard: "line", cell: ({ size }) => `${size} MiB` },
];

const story: StoryLine[] = tones.map((tone, index) => ({
  key: tone,
  at: new Date(shown - index * 3_600_000).toISOString(),
  tone,
  who: "ana",
  did: "deployed",
  target: "shop/web",
  detail: "5 of pods",
}));

declare global {
  interface HTMLElementTagNameMap {
    "fl-gallery": Gallery;
  }
}
