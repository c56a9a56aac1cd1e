/** The list of apps, thousands as well as ten: what is looked for, in which order, and whose details are shown stands in the address. */
import { html, nothing, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";
import { Signal } from "signal-polyfill";
import "../elements/age.ts";
import "../elements/code-menu.ts";
import "../elements/empty-state.ts";
import { icon } from "../elements/icon.ts";
import "../elements/resource-table.ts";
import type { ResourceTable } from "../elements/resource-table.ts";
import { sheet } from "../elements/sheet.ts";
import "../elements/skeleton.ts";
import "../elements/status-pill.ts";
import type { AppRow } from "../model/app-row.ts";
import {
  type AppOrder,
  type AppsView,
  appOrders,
  countPhases,
  isNarrowed,
  lookAt,
  readAppsView,
  writeAppsView,
} from "../model/apps-view.ts";
import { appsAsCode } from "../model/as-code.ts";
import type { KeyBinding } from "../model/command.ts";
import { appColumns } from "./app-columns.ts";
import "./app-detail.ts";
import { appsStyles } from "./apps-styles.ts";
import { Page } from "./page.ts";

@customElement("fl-apps")
export class AppsPage extends Page {
  static override styles = [sheet, appsStyles];

  @query("fl-table") private accessor table!: ResourceTable<AppRow> | null;
  @query("input") private accessor filter!: HTMLInputElement | null;
  readonly #view = new Signal.Computed(() => readAppsView(this.state.address.url.searchParams));
  readonly #shown = new Signal.Computed(() => lookAt(this.state.appRows.get(), this.#view.get()));

  protected override keys(): readonly KeyBinding[] {
    return [
      { key: "/", title: "Filter", run: () => this.filter?.focus() },
      { key: "j", title: "Next", run: () => this.table?.move(1) },
      { key: "k", title: "Previous", run: () => this.table?.move(-1) },
      { key: "Enter", title: "Open", run: () => this.table?.openActive() },
      { key: "Escape", title: "Close the details", run: () => this.#refine({ selected: "" }) },
    ];
  }

  override render() {
    const view = this.#view.get();
    const rows = this.state.appRows.get();
    const { isSynced } = this.state.live;
    return html`
      <header>
        <h1>Apps</h1>
        <span class="soft" role="status">${isSynced ? this.#count(rows.length) : ""}</span>
        <span class="grow"></span>
        <fl-code-menu .lines=${appsAsCode(view, this.state.address.url.origin)}></fl-code-menu>
      </header>
      ${this.#filters(view, rows)}
      <div class="both ${view.selected === "" ? "" : "split"}">
        <div class="card list">${isSynced ? this.#list(view, rows.length) : html`<fl-skeleton lines="12"></fl-skeleton>`}</div>
        ${view.selected === "" ? nothing : this.#detail(view)}
      </div>
    `;
  }

  #count(all: number): string {
    const shown = this.#shown.get().length;
    return shown === all ? String(all) : `${shown} of ${all}`;
  }

  #filters(view: AppsView, rows: readonly AppRow[]): TemplateResult {
    const choices = (values: Iterable<string>) => [...new Set(values)].filter(Boolean).sort();
    const phases = countPhases(rows);
    return html`<div class="filters ${view.selected === "" ? "" : "aside"}" role="search" aria-label="Apps">
      <label class="words">${icon("search")}<input type="search" aria-label="Filter by words" placeholder="Filter" .value=${view.words} @input=${this.#onWords}><kbd>/</kbd></label>
      ${this.#choice(
        "State",
        view.phase,
        phases.map(({ phase, count }) => [phase, `${phase} (${count})`]),
        (phase) => this.#refine({ phase }),
      )}
      ${this.#choice(
        "Peer",
        view.peer,
        choices(rows.flatMap(({ peers }) => peers)).map((peer) => [peer, peer]),
        (peer) => this.#refine({ peer }),
      )}
      ${this.#choice(
        "Namespace",
        view.namespace,
        choices(rows.map(({ namespace }) => namespace)).map((one) => [one, one]),
        (namespace) => this.#refine({ namespace }),
      )}
      ${isNarrowed(view) ? html`<button class="plain" @click=${this.#widen}>${icon("close")} Show all</button>` : nothing}
    </div>`;
  }

  /** What is chosen stays a choice, though there may be none of it any more. */
  #choice(
    name: string,
    chosen: string,
    there: (readonly [string, string])[],
    choose: (value: string) => void,
  ): TemplateResult {
    const choices =
      chosen === "" || there.some(([value]) => value === chosen)
        ? there
        : [[chosen, `${chosen} (0)`] as const, ...there];
    const onChange = (event: Event): void => {
      if (event.target instanceof HTMLSelectElement) choose(event.target.value);
    };
    return html`<select aria-label=${name} class=${chosen === "" ? "" : "chosen"} @change=${onChange}>
      <option value="" ?selected=${chosen === ""}>${name}</option>
      ${choices.map(([value, text]) => html`<option value=${value} ?selected=${value === chosen}>${text}</option>`)}
    </select>`;
  }

  #list(view: AppsView, all: number): TemplateResult {
    const shown = this.#shown.get();
    if (all === 0) {
      return html`<fl-empty icon="apps" heading="No apps yet" text="An app is a RemoteApp of this cluster that runs at a peer."
        remedy="Deploy one with kubectl apply, or: fairlead app deploy hello --peer PEER --image IMAGE"></fl-empty>`;
    }
    if (shown.length === 0) {
      return html`<fl-empty icon="search" heading="No app is like that" text=${`There are ${all}, and the filter leaves none of them.`}>
        <button class="button" @click=${this.#widen}>Show all</button></fl-empty>`;
    }
    return html`<fl-table label="Apps" .rows=${shown} .columns=${appColumns(this.state.ticker, this.state.live.status.kind === "lost")}
      .order=${view.order} .descending=${view.descending} .selected=${view.selected}
      @fl-open=${(event: CustomEvent<string>) => this.#refine({ selected: event.detail })}
      @fl-sort=${(event: CustomEvent<string>) => this.#sort(event.detail)}></fl-table>`;
  }

  #detail({ selected }: AppsView): TemplateResult {
    const row = this.state.appRow(selected);
    return html`<fl-app-detail class="card" .state=${this.state} .name=${selected} .row=${row} @close=${() => this.#refine({ selected: "" })}></fl-app-detail>`;
  }

  #sort(key: string): void {
    const { order, descending } = this.#view.get();
    const wanted: AppOrder = appOrders.find((one) => one === key) ?? "name";
    this.#refine({ order: wanted, descending: wanted === order && !descending });
  }

  #onWords(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.#refine({ words: event.target.value });
  }

  #widen(): void {
    this.#refine({ words: "", phase: "", peer: "", namespace: "" });
  }

  #refine(change: Partial<AppsView>): void {
    this.state.address.refine(writeAppsView({ ...this.#view.get(), ...change }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-apps": AppsPage;
  }
}
