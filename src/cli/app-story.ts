/** `fairlead app story`: what has happened to an app, in the order in which it did, as the agent tells it. */
import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  type AppHappening,
  AppHappeningSchema,
  AppHappening_Kind as Kind,
} from "../gen/fairlead/console/v1/app_service_pb.ts";
import { plainName } from "./app-targets.ts";
import { namespaceOption, outputOption, wholeNumber, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { type Format, printList, type View } from "./output.ts";
import { sinceOf } from "./table.ts";

interface Options {
  readonly namespace?: string;
  readonly limit?: number;
  readonly output: Format;
}

export function addAppStory(app: Command, context: CliContext): void {
  const story = app
    .command("story <name>")
    .description(
      "what has happened to an app, the latest last: what was done to it here, what it ran, what its hosts decided and tell",
    );
  story
    .addOption(namespaceOption())
    .option("--limit <count>", "the latest so many; by default 200", wholeNumber(1, 1_000))
    .addOption(outputOption())
    .action((given: string, options: Options) =>
      withAgent(story, context, async ({ client, namespace: ours }, signal) => {
        const ref = { namespace: options.namespace ?? ours, name: plainName(given) };
        const { happenings } = await client.apps.getAppStory({ ref, limit: options.limit ?? 0 }, { signal });
        await printList(context.terminal, storyView(ref.name, Date.now()), happenings, options.output);
      }),
    );
}

const kinds: Readonly<Record<Kind, string>> = {
  [Kind.UNSPECIFIED]: "",
  [Kind.ACT]: "done here",
  [Kind.REVISION]: "spec",
  [Kind.DECISION]: "decided",
  [Kind.EVENT]: "event",
  [Kind.CONDITION]: "is so",
};

/** What has happened to an app. `now` is in milliseconds since 1970. */
export function storyView(app: string, now: number): View<AppHappening> {
  return {
    name: ({ reason, subject }) => `${app}/${subject || reason}`,
    columns: [
      { head: "AGE", cell: ({ at }) => sinceOf(at, now) },
      { head: "WHAT", cell: ({ kind }) => kinds[kind] ?? "" },
      { head: "OF", cell: ({ subject }) => subject },
      { head: "REASON", cell: ({ reason }) => reason, tone: ({ isTrouble }) => (isTrouble ? "bad" : undefined) },
      { head: "BY", cell: ({ doneBy }) => doneBy },
      { head: "PEER", cell: ({ peer }) => peer },
      { head: "COUNT", cell: ({ count }) => String(count), wide: true },
      { head: "MESSAGE", cell: ({ message }) => message },
    ],
    json: (one) => toJson(AppHappeningSchema, one),
    empty: `Nothing is known to have happened to ${app}.`,
  };
}
