/** What the palette offers everywhere: the pages, the peers, the apps, and what belongs to no page. */

import type { Command } from "./model/command.ts";
import { routes } from "./routes.ts";
import type { ConsoleState } from "./state/console-state.ts";

export interface ShellDeeds {
  showKeys(): void;
  showAgent(): void;
}

export function shellCommands(state: ConsoleState, { showKeys, showAgent }: ShellDeeds): Command[] {
  const go = (href: string) => (): void => state.address.go(href);
  const pages = routes.flatMap(({ path, title, icon }): Command[] =>
    icon ? [{ id: `page ${path}`, title, icon, group: "Pages", run: go(path) }] : [],
  );
  const peers = state.live.peers.list().map(({ metadata }): Command => {
    const name = metadata?.name ?? "";
    const run = go(`/apps?peer=${encodeURIComponent(name)}`);
    return { id: `peer ${name}`, title: name, hint: "apps there", icon: "peer", group: "Peers", run };
  });
  const apps = state.live.apps.list().map(({ metadata }): Command => {
    const { namespace = "", name = "" } = metadata ?? {};
    const run = go(`/apps?app=${encodeURIComponent(`${namespace}/${name}`)}`);
    return { id: `app ${namespace}/${name}`, title: name, hint: namespace, icon: "app", group: "Apps", run };
  });
  const deeds: Command[] = [
    {
      id: "theme",
      title: "Change the theme",
      hint: state.theme,
      icon: state.theme,
      group: "Actions",
      run: () => state.turnTheme(),
    },
    { id: "agent", title: "How this agent is", icon: "live", group: "Actions", run: showAgent },
    { id: "keys", title: "Keys", hint: "?", icon: "key", group: "Actions", run: showKeys },
    {
      id: "sign-out",
      title: "Sign out",
      hint: state.session.person,
      icon: "sign-out",
      group: "Actions",
      run: () => void state.session.signOut(),
    },
  ];
  return [...pages, ...deeds, ...peers, ...apps];
}
