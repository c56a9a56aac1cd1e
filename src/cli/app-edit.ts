/** `fairlead app edit`: a RemoteApp in a person's editor. */
import type { Command } from "commander";
import type { FairleadClient } from "../client/index.ts";
import type { App, EditAppResponse } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { remoteApp } from "./app-manifest.ts";
import { type ActOptions, type AppName, actOnEach, addActOptions, plainName } from "./app-targets.ts";
import { namespaceOption, withAgent } from "./command.ts";
import type { CliContext, Terminal } from "./context.ts";
import { editUntilTaken } from "./edit-until-taken.ts";
import { CliError } from "./errors.ts";
import { manifestText, readEdited } from "./manifest.ts";

export function addAppEdit(app: Command, context: CliContext): void {
  const { terminal } = context;
  const edit = app.command("edit <name>").description("change an app in your editor");
  addActOptions(edit.addOption(namespaceOption())).action((given: string, options: ActOptions) =>
    withAgent(edit, context, async ({ client, namespace: ours }, signal) => {
      const ref = { namespace: options.namespace ?? ours, name: plainName(given) };
      await actOnEach(terminal, [ref], options, async () => {
        const answer = await untilTaken(client, terminal, ref, options.dryRun !== undefined, signal);
        if (!answer) return { word: "not edited", note: "nothing was changed" };
        return { word: answer.changed ? "edited" : "unchanged", app: answer.app };
      });
    }),
  );
}

/** Undefined when the person saves nothing, or nothing else than was there. */
function untilTaken(
  client: FairleadClient,
  terminal: Pick<Terminal, "editText" | "keepText">,
  ref: AppName,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<EditAppResponse | undefined> {
  const edited = {
    noun: "app",
    file: `${ref.name}.yaml`,
    read: () => read(client, ref, signal),
    editable: ({ metadata, spec }: App) => manifestText(remoteApp, metadata, spec),
    write: (text: string, { version }: App) =>
      client.apps.editApp({ ref, version, dryRun, ...readEdited(remoteApp, text, ref) }, { signal }),
    again: (file: string) => `fairlead app deploy -f ${file}`,
  };
  return editUntilTaken(terminal, edited, signal);
}

async function read(client: FairleadClient, ref: AppName, signal: AbortSignal): Promise<App> {
  const { app } = await client.apps.getApp({ ref }, { signal });
  if (app) return app;
  throw new CliError(`the agent answered without ${ref.name}`);
}
