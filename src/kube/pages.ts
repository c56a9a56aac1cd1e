/** Lists that are read page by page, up to a bound. */
import type { KubeClient } from "./client.ts";
import type { ResourceKind } from "./resource-kind.ts";

const pageSize = 500;

/** The first `most` objects of a namespace, or of all. Rejects with a `KubeError`. */
export async function readPages<T>(
  client: Pick<KubeClient, "list">,
  kind: ResourceKind<T>,
  { namespace, most }: { readonly namespace?: string; readonly most: number },
  signal: AbortSignal,
): Promise<{ readonly items: readonly T[]; readonly isCut: boolean }> {
  const items: T[] = [];
  let page = await client.list(kind, { namespace, limit: pageSize }, signal);
  items.push(...page.items);
  while (page.continue !== undefined && items.length < most) {
    page = await client.list(kind, { namespace, limit: pageSize, continue: page.continue }, signal);
    items.push(...page.items);
  }
  return { items: items.slice(0, most), isCut: items.length > most || page.continue !== undefined };
}
