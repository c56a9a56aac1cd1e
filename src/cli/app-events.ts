/** `fairlead app events`: what happened to an app at its hosts. */
import { type JsonObject, toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { type AppEvent, AppEventSchema } from "../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import { isAtSeveral } from "./app-status.ts";
import { plainName } from "./app-targets.ts";
import { namespaceOption, outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { createWatchPrinter, type Format, printList, type View } from "./output.ts";
import { sinceOf } from "./table.ts";
import { watchApps } from "./watch.ts";

interface Options {
  readonly namespace?: string;
  readonly watch?: boolean;
  readonly output: Format;
}

export function addAppEvents(app: Command, context: CliContext): void {
  const { terminal } = context;
  const events = app
    .command("events <name>")
    .description("what happened to an app at its hosts lately, the latest last");
  events
    .addOption(namespaceOption())
    .option("-w, --watch", "go on with each that comes until the app is gone, or Ctrl-C")
    .addOption(outputOption())
    .action((given: string, options: Options) =>
      withAgent(events, context, async ({ client, namespace: ours }, signal) => {
        const ref = { namespace: options.namespace ?? ours, name: plainName(given) };
        const { app: found } = await client.apps.getApp({ ref }, { signal });
        const several = found !== undefined && isAtSeveral(found);
        const view = (): View<AppEvent> => eventView(ref.name, Date.now(), several);
        const known = inOrder(found?.status?.events ?? []);
        if (!options.watch) return printList(terminal, view(), known, options.output);
        const printer = createWatchPrinter(terminal, view, options.output);
        const told = new Set<string>();
        for await (const heard of watchApps({ client, signal, say: terminal.err }, ref)) {
          if (heard.kind === "gone") return terminal.err(`${ref.name} is gone\n`);
          if (heard.kind === "synced") continue;
          const all = inOrder(heard.item.status?.events ?? []);
          await printer.print(all.filter((event) => !told.has(keyOf(event))));
          // The app's own list is short, so what fell out of it needs no memory.
          told.clear();
          for (const event of all) told.add(keyOf(event));
        }
      }),
    );
}

/** Events of an app, at several peers or one. `now` is in milliseconds since 1970. */
function eventView(app: string, now: number, several: boolean): View<AppEvent> {
  return {
    name: ({ object, reason }) => `${app}/${object ?? ""}/${reason ?? ""}`,
    columns: [
      { head: "LAST", cell: ({ lastAt }) => sinceOf(lastAt, now) },
      { head: "TYPE", cell: ({ type }) => type ?? "", tone: ({ type }) => (type === "Warning" ? "bad" : undefined) },
      { head: "REASON", cell: ({ reason }) => reason ?? "" },
      { head: "OBJECT", cell: ({ object }) => object ?? "" },
      { head: "PEER", cell: ({ peer }) => peer ?? "", wide: !several },
      { head: "COUNT", cell: ({ count }) => String(count ?? 1), wide: true },
      { head: "MESSAGE", cell: ({ message }) => message ?? "" },
    ],
    json: (event): JsonObject => {
      const json = toJson(AppEventSchema, event);
      return typeof json === "object" && json !== null && !Array.isArray(json) ? json : {};
    },
    empty: `Nothing happened to ${app} at its hosts lately.`,
  };
}

/** The latest last. */
function inOrder(events: readonly AppEvent[]): AppEvent[] {
  return events.toSorted((a, b) => (Date.parse(a.lastAt ?? "") || 0) - (Date.parse(b.lastAt ?? "") || 0));
}

function keyOf({ peer, object, reason, message, lastAt, count }: AppEvent): string {
  return JSON.stringify([peer, object, reason, message, lastAt, count]);
}
