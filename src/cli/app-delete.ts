/** `fairlead app delete`: asks for it, and waits until the peer has deleted what ran when asked. */
import type { Command } from "commander";
import type { FairleadClient } from "../client/index.ts";
import { namespaceOption, timeoutOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { plain } from "./table.ts";
import { watchApps } from "./watch.ts";

interface Options {
  readonly namespace?: string;
  readonly wait?: boolean;
  readonly timeout: number;
}

export function addAppDelete(app: Command, context: CliContext): void {
  const { terminal } = context;
  const remove = app.command("delete <name>").description("delete an app, here and at its peer");
  remove
    .addOption(namespaceOption())
    .option("--wait", "until the peer has deleted what ran")
    .addOption(timeoutOption())
    .action((name: string, options: Options) =>
      withAgent(remove, context, async ({ client, namespace: ours }, signal) => {
        const ref = { namespace: options.namespace ?? ours, name };
        await client.apps.deleteApp({ ref }, { signal });
        if (!options.wait) return terminal.out(`${name}: deletion asked for\n`);
        await untilGone(client, ref, options.timeout, signal, terminal.err);
        await terminal.out(`${name} deleted\n`);
      }),
    );
}

/** Says on the way what is in the way. */
async function untilGone(
  client: FairleadClient,
  ref: { namespace: string; name: string },
  seconds: number,
  interrupted: AbortSignal,
  say: (text: string) => void,
): Promise<void> {
  const limit = AbortSignal.any([interrupted, AbortSignal.timeout(seconds * 1000)]);
  let said = "";
  let isThere = false;
  try {
    for await (const heard of watchApps(client, ref, limit)) {
      if (heard.kind === "gone" || (heard.kind === "synced" && !isThere)) return;
      if (heard.kind === "synced") continue;
      isThere = true;
      const { phase, message: why } = heard.item.status ?? {};
      const message = plain((phase === "Deleting" && why) || "");
      if (message && message !== said) say(`${ref.name}: ${message}\n`);
      said = message;
    }
  } catch (error) {
    if (!limit.aborted || interrupted.aborted) throw error;
    throw new CliError(`${ref.name} is not gone after ${seconds} s${said ? `: ${said}` : ""}`, {
      code: exitCode.timeout,
      hint: `fairlead app get ${ref.name} -n ${ref.namespace}`,
      cause: error,
    });
  }
  throw new CliError(`the agent ended the watch before ${ref.name} was gone`, { code: exitCode.unavailable });
}
