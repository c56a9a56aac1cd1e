/**
 * A list of things as a table, of which only what is seen is drawn, so that thousands are as smooth as ten; cards where there is no room for
 * columns. It goes by keys like any grid: arrows, Home, End, Enter. Says `fl-open` with the key of a row, and `fl-sort` with that of a column.
 */
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { scrollTo, windowOf } from "../model/window.ts";
import { icon } from "./icon.ts";
import { tableStyles } from "./resource-table-styles.ts";
import { sheet } from "./sheet.ts";

export interface Column<Row> {
  readonly key: string;
  readonly head: string;
  /** As CSS says it; none takes what is left. */
  readonly width?: string;
  readonly sortable?: boolean;
  /** On a card: its first line, at the right of that, or in the line below; absent there unless given. */
  readonly onCard?: "title" | "side" | "line";
  /** Left out where the table is narrower than so many pixels. */
  readonly from?: number;
  cell(row: Row): TemplateResult | string | typeof nothing;
}

// Styles are set as properties: the content security policy allows none in markup, which `styleMap` would write first.
const rowPx = 36;
const cardPx = 64;
/** Below this width, in pixels, rows are cards. */
const cardsBelow = 620;

@customElement("fl-table")
export class ResourceTable<Row extends { readonly key: string }> extends LitElement {
  static override styles = [sheet, tableStyles];

  @property({ attribute: false }) accessor rows: readonly Row[] = [];
  @property({ attribute: false }) accessor columns: readonly Column<Row>[] = [];
  /** For screen readers. */
  @property() accessor label = "";
  @property() accessor order = "";
  @property({ type: Boolean }) accessor descending = false;
  /** The key of the row whose details are shown. */
  @property() accessor selected = "";
  @state() private accessor active = "";
  @state() private accessor scrolled = 0;
  @state() private accessor height = 600;
  @state() private accessor width = 1000;
  @query(".scroller") private accessor scroller!: HTMLElement;
  #isFocusDue = false;
  readonly #observer = new ResizeObserver(([entry]) => {
    if (!entry) return;
    this.height = entry.contentRect.height;
    this.width = entry.contentRect.width;
  });

  override connectedCallback(): void {
    super.connectedCallback();
    this.#observer.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#observer.disconnect();
  }

  /** Goes so many rows down, or up. */
  move(by: number): void {
    const index = this.rows.findIndex(({ key }) => key === this.active);
    this.#activate(index === -1 ? 0 : index + by);
  }

  /** Opens the row on which somebody is. */
  openActive(): void {
    if (this.active !== "") this.#open(this.active);
  }

  override render() {
    const isCards = this.width < cardsBelow;
    const height = isCards ? cardPx : rowPx;
    const { from, to } = windowOf({
      count: this.rows.length,
      rowPx: height,
      scrolledPx: this.scrolled,
      heightPx: this.height,
    });
    const columns = this.columns.filter(({ from = 0 }) => isCards || this.width >= from);
    const space = (rows: number) =>
      rows > 0 ? html`<tr class="space" role="presentation" .style=${`height: ${rows * height}px`}></tr>` : nothing;
    const reachable = this.rows.slice(from, to).some(({ key }) => key === this.active)
      ? this.active
      : this.rows[from]?.key;
    return html`
      <div class="scroller" @scroll=${this.#onScroll}>
        <table role="grid" class=${isCards ? "cards" : "lines"} aria-label=${this.label} aria-rowcount=${this.rows.length + 1} @keydown=${this.#onKey}>
          <thead role="rowgroup"><tr role="row" aria-rowindex="1">${columns.map((column) => this.#head(column))}</tr></thead>
          <tbody role="rowgroup">
            ${space(from)}
            ${repeat(
              this.rows.slice(from, to),
              ({ key }) => key,
              (row, index) => html`<tr role="row" data-key=${row.key} aria-rowindex=${from + index + 2}
                aria-selected=${row.key === this.selected ? "true" : "false"} tabindex=${row.key === reachable ? 0 : -1}
                @click=${() => this.#open(row.key)} @focus=${() => this.#note(row.key)}>
                ${columns.map((column) =>
                  isCards && column.onCard === undefined
                    ? nothing
                    : html`<td role="gridcell" class=${isCards ? (column.onCard ?? nothing) : nothing}>${column.cell(row)}</td>`,
                )}
              </tr>`,
            )}
            ${space(this.rows.length - to)}
          </tbody>
        </table>
      </div>
    `;
  }

  protected override updated(_changed: PropertyValues<this>): void {
    if (!this.#isFocusDue) return;
    this.#isFocusDue = false;
    this.renderRoot
      .querySelector<HTMLElement>(`tr[data-key="${CSS.escape(this.active)}"]`)
      ?.focus({ preventScroll: true });
  }

  #head({ key, head, width, sortable }: Column<Row>): TemplateResult {
    const isOrder = key === this.order;
    const sort = isOrder ? (this.descending ? "descending" : "ascending") : "none";
    const arrow = isOrder ? icon(this.descending ? "down" : "up") : nothing;
    return html`<th role="columnheader" scope="col" aria-sort=${sortable ? sort : nothing} .style=${width === undefined ? "" : `width: ${width}`}>
      ${sortable ? html`<button @click=${() => this.#say("fl-sort", key)}>${head}${arrow}</button>` : head}
    </th>`;
  }

  #onScroll(): void {
    this.scrolled = this.scroller.scrollTop;
  }

  #onKey(event: KeyboardEvent): void {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>("tr[data-key]") : null;
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.floor(this.height / rowPx);
    const moves: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    const by = moves[event.key];
    if (by !== undefined) this.move(by);
    else if (event.key === "Home") this.#activate(0);
    else if (event.key === "End") this.#activate(this.rows.length - 1);
    else if (event.key === "Enter" && event.target === row) this.openActive();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #activate(wanted: number): void {
    const index = Math.max(0, Math.min(this.rows.length - 1, wanted));
    const row = this.rows[index];
    if (!row) return;
    this.active = row.key;
    this.#isFocusDue = true;
    const height = this.width < cardsBelow ? cardPx : rowPx;
    const head = this.width < cardsBelow ? 0 : rowPx;
    const { scrollTop } = this.scroller;
    this.scroller.scrollTop = scrollTo({ index, rowPx: height, scrolledPx: scrollTop, heightPx: this.height - head });
    this.scrolled = this.scroller.scrollTop;
    this.requestUpdate();
  }

  #note(key: string): void {
    this.active = key;
  }

  #open(key: string): void {
    this.active = key;
    this.#say("fl-open", key);
  }

  #say(name: "fl-open" | "fl-sort", key: string): void {
    this.dispatchEvent(new CustomEvent(name, { detail: key }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-table": ResourceTable<{ readonly key: string }>;
  }
}
