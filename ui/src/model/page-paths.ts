/** Where the console's pages are: what the agent answers with the console, and the routes lead to. Pure. */

/** In the form of routes: `/peers/:peer` stands for each peer's. */
export const pagePaths = ["/", "/apps"] as const;

/** Of builds for the console's makers only. */
export const developmentPaths = ["/gallery"] as const;

/** What the segments with a colon stand for in this path; undefined when it is another page's. */
export function matchPath(page: string, path: string): Readonly<Record<string, string>> | undefined {
  const [wanted, given] = [page.split("/"), path.split("/")];
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const there = given[index] ?? "";
    if (!part.startsWith(":")) {
      if (part !== there) return undefined;
    } else if (there === "") return undefined;
    else params[part.slice(1)] = decodeURIComponent(there);
  }
  return params;
}
