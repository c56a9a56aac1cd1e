/** What of the apps somebody looks at, and in which order: as it stands in the address, so that a copied link shows the same. Pure. */
import type { AppRow } from "./app-row.ts";
import { tones } from "./tone.ts";

export const appOrders = ["name", "namespace", "phase", "ready", "peer", "image", "age"] as const;
export type AppOrder = (typeof appOrders)[number];

export interface AppsView {
  /** Words of which each has to be somewhere in the line. */
  readonly words: string;
  /** Empty: all. */
  readonly phase: string;
  readonly peer: string;
  readonly namespace: string;
  readonly order: AppOrder;
  readonly descending: boolean;
  /** The key of the app whose details are shown; empty: none. */
  readonly selected: string;
}

export function readAppsView(params: URLSearchParams): AppsView {
  const sort = params.get("sort") ?? "";
  const order = appOrders.find((one) => one === sort.replace(/^-/, "")) ?? "name";
  return {
    words: params.get("q") ?? "",
    phase: params.get("phase") ?? "",
    peer: params.get("peer") ?? "",
    namespace: params.get("namespace") ?? "",
    order,
    descending: sort === `-${order}`,
    selected: params.get("app") ?? "",
  };
}

/** What is as it is anyway stays out of the address. */
export function writeAppsView(view: AppsView): URLSearchParams {
  const sort = `${view.descending ? "-" : ""}${view.order}`;
  const params = new URLSearchParams();
  const { words: q, phase, peer, namespace, selected: app } = view;
  for (const [name, value] of Object.entries({ q, phase, peer, namespace, sort: sort === "name" ? "" : sort, app })) {
    if (value !== "") params.set(name, value);
  }
  return params;
}

/** Whether anything is left out. */
export function isNarrowed({ words, phase, peer, namespace }: AppsView): boolean {
  return [words, phase, peer, namespace].some((part) => part !== "");
}

/** Those that the view asks for, in its order; what is equal in it comes by namespace and name. */
export function lookAt(rows: readonly AppRow[], view: AppsView): AppRow[] {
  const words = view.words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter(
    (row) =>
      (view.phase === "" || row.phase === view.phase) &&
      (view.namespace === "" || row.namespace === view.namespace) &&
      (view.peer === "" || row.peers.includes(view.peer)) &&
      words.every((word) => row.text.includes(word)),
  );
  const compare = comparisons[view.order];
  const sign = view.descending ? -1 : 1;
  return found.sort((a, b) => sign * compare(a, b) || byText(a.key, b.key));
}

const comparisons: Readonly<Record<AppOrder, (a: AppRow, b: AppRow) => number>> = {
  name: (a, b) => byText(a.name, b.name),
  namespace: (a, b) => byText(a.namespace, b.namespace),
  phase: (a, b) => tones.indexOf(a.tone) - tones.indexOf(b.tone) || byText(a.phase, b.phase),
  ready: (a, b) => Number.parseInt(a.ready, 10) - Number.parseInt(b.ready, 10) || byText(a.ready, b.ready),
  peer: (a, b) => byText(a.peers.join(), b.peers.join()),
  image: (a, b) => byText(a.image, b.image),
  age: (a, b) => byText(b.createdAt, a.createdAt),
};

/** By code units: what is compared are names of Kubernetes, of which there may be thousands, many times a second. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** How many there are in each phase, the worst first. */
export function countPhases(
  rows: readonly AppRow[],
): { readonly phase: string; readonly count: number; readonly row: AppRow }[] {
  const counts = new Map<string, { phase: string; count: number; row: AppRow }>();
  for (const row of rows) {
    const known = counts.get(row.phase);
    if (known) known.count += 1;
    else counts.set(row.phase, { phase: row.phase, count: 1, row });
  }
  return [...counts.values()].sort((a, b) => comparisons.phase(a.row, b.row));
}
