/** `fairlead orphan`: workloads here that their origin no longer knows. Nothing deletes them by itself. */

import type { Command } from "commander";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { type Format, printList } from "./output.ts";
import { orphanView } from "./views.ts";

export function addOrphanCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const orphan = program.command("orphan").description("workloads here that their origin no longer knows");

  const list = orphan.command("list").alias("ls").description("all of them");
  list.addOption(outputOption()).action((options: { output: Format }) =>
    withAgent(list, context, async ({ client }, signal) => {
      const { orphans } = await client.apps.listOrphans({}, { signal });
      await printList(terminal, orphanView(Date.now()), orphans, options.output);
    }),
  );

  const remove = orphan.command("delete <namespace/workload>").description("delete one, and what it runs");
  remove.action((path: string) =>
    withAgent(remove, context, async ({ client }, signal) => {
      const [namespace, name, ...rest] = path.split("/");
      if (!namespace || !name || rest.length > 0) {
        throw new CliError(`${JSON.stringify(path)} does not name a workload`, {
          code: exitCode.usage,
          hint: "NAMESPACE/WORKLOAD, as `fairlead orphan list` shows them",
        });
      }
      await client.apps.deleteOrphan({ workload: { namespace, name } }, { signal });
      await terminal.out(`${path} deleted\n`);
    }),
  );
}
