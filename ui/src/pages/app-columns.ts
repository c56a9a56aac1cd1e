/** The columns of the list of apps. */
import { html, nothing } from "lit";
import type { Column } from "../elements/resource-table.ts";
import type { AppRow } from "../model/app-row.ts";

/** `now` is the clock that ages go by; `isStale` while what is shown may be old. */
export function appColumns(now: { get(): number }, isStale: boolean): Column<AppRow>[] {
  return [
    {
      key: "name",
      head: "Name",
      sortable: true,
      onCard: "title",
      cell: ({ name, namespace }) => html`<span class="strong">${name}</span><span class="soft"> ${namespace}</span>`,
    },
    {
      key: "phase",
      head: "State",
      width: "132px",
      sortable: true,
      onCard: "side",
      cell: ({ tone, phase, unknownSince }) =>
        html`<fl-status tone=${tone} word=${phase} ?stale=${isStale || unknownSince !== ""}></fl-status>`,
    },
    { key: "ready", head: "Ready", width: "76px", sortable: true, cell: ({ ready }) => ready },
    {
      key: "cause",
      head: "Cause",
      width: "30%",
      from: 900,
      cell: ({ cause }) => html`<span class="cause" title=${cause}>${cause}</span>`,
    },
    {
      key: "line",
      head: "Cause or place",
      from: Number.POSITIVE_INFINITY,
      onCard: "line",
      cell: ({ cause, peers, ready }) => cause || `${ready} ready at ${peers.join(", ") || "no peer yet"}`,
    },
    { key: "peer", head: "Runs at", width: "13%", sortable: true, cell: ({ peers }) => peers.join(", ") },
    {
      key: "image",
      head: "Image",
      width: "20%",
      from: 1100,
      sortable: true,
      cell: ({ image }) => html`<code title=${image}>${image}</code>`,
    },
    {
      key: "age",
      head: "Age",
      width: "72px",
      sortable: true,
      cell: ({ createdAt }) => (createdAt === "" ? nothing : html`<fl-age .at=${createdAt} .now=${now}></fl-age>`),
    },
  ];
}
