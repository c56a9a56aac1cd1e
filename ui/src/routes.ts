/** The pages: where each is, what it is called, and what draws it. A page comes with its own part of the bundle when somebody goes there. */
import { html, type TemplateResult } from "lit";
import type { IconName } from "./model/icon-names.ts";
import { type developmentPaths, matchPath, type pagePaths } from "./model/page-paths.ts";
import type { ConsoleState } from "./state/console-state.ts";

export interface Route {
  readonly path: (typeof pagePaths)[number] | (typeof developmentPaths)[number];
  readonly title: string;
  /** Only what has one is in the navigation. */
  readonly icon?: IconName;
  /** Brings the page's element. */
  load(): Promise<unknown>;
  /** `params` are what the path's segments with a colon stand for. */
  render(state: ConsoleState, params: Readonly<Record<string, string>>): TemplateResult;
}

export const routes: readonly Route[] = [
  {
    path: "/",
    title: "Overview",
    icon: "overview",
    load: () => import("./pages/overview.ts"),
    render: (state) => html`<fl-overview .state=${state}></fl-overview>`,
  },
  {
    path: "/apps",
    title: "Apps",
    icon: "apps",
    load: () => import("./pages/apps.ts"),
    render: (state) => html`<fl-apps .state=${state}></fl-apps>`,
  },
  ...(DEVELOPMENT
    ? [
        {
          path: "/gallery",
          title: "Gallery",
          load: () => import("./pages/gallery.ts"),
          render: () => html`<fl-gallery></fl-gallery>`,
        } as const,
      ]
    : []),
];

export interface Place {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** Undefined where there is no page. */
export function placeOf(path: string): Place | undefined {
  for (const route of routes) {
    const params = matchPath(route.path, path);
    if (params) return { route, params };
  }
  return undefined;
}
