/** Lists of any length, page by page. */

/** What is to be said in a request besides what is asked. */
export interface PageWanted {
  readonly pageSize: number;
  readonly pageToken: string;
}

/** Things to a page unless said. */
const usualPageSize = 500;

/**
 * Reads a list to its end.
 *
 * @example
 * ```ts
 * const apps = await readAll(
 *   (page) => fairlead.apps.listApps({ fieldSelector: "phase=Degraded", ...page }),
 *   ({ apps }) => apps,
 * );
 * ```
 *
 * Rejects as a call does, with FAILED_PRECONDITION when the agent was started anew between two pages.
 */
export async function readAll<Answer extends { readonly nextPageToken: string }, Item>(
  ask: (page: PageWanted) => Promise<Answer>,
  itemsOf: (answer: Answer) => readonly Item[],
  pageSize = usualPageSize,
): Promise<Item[]> {
  const items: Item[] = [];
  let pageToken = "";
  do {
    const answer = await ask({ pageSize, pageToken });
    for (const item of itemsOf(answer)) items.push(item);
    pageToken = answer.nextPageToken;
  } while (pageToken !== "");
  return items;
}
