/** `fairlead whoami`, `fairlead session` and `fairlead role`: who one is here, where one is signed in, and what a role may do. */
import type { Command } from "commander";
import { callerView, roleView, sessionView } from "./access-view.ts";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { addListOptions, type ListOptions, readList } from "./list-options.ts";
import { type Format, printList, printOne } from "./output.ts";

export function addWhoAmICommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const who = program.command("whoami").description("who you are to this agent, and what you may do");
  who.addOption(outputOption()).action(({ output }: { output: Format }) =>
    withAgent(who, context, async ({ client }, signal) => {
      await printOne(terminal, callerView, await client.access.whoAmI({}, { signal }), output);
    }),
  );

  const role = program.command("role").description("what each role may do");
  const roles = role.command("list").alias("ls").description("the roles; -o yaml tells all that each may");
  roles.addOption(outputOption()).action(({ output }: { output: Format }) =>
    withAgent(roles, context, async ({ client }, signal) => {
      await printList(terminal, roleView, (await client.access.listRoles({}, { signal })).roles, output);
    }),
  );

  const session = program.command("session").description("browsers in which somebody is signed in");
  const list = session.command("list").alias("ls").description("your sessions; everybody's for an admin");
  addListOptions(list, { labels: false })
    .addOption(outputOption())
    .action((options: ListOptions & { output: Format }) =>
      withAgent(list, context, async ({ client }, signal) => {
        const sessions = await readList(
          options,
          (words) => client.access.listBrowserSessions(words, { signal }),
          (answer) => answer.browserSessions,
        );
        await printList(terminal, sessionView(Date.now()), sessions, options.output);
      }),
    );
  const revoke = session.command("revoke <id>").description("end a session at once");
  revoke.action((id: string) =>
    withAgent(revoke, context, async ({ client }, signal) => {
      await client.access.revokeBrowserSession({ id }, { signal });
      await terminal.out(`session/${id} ended\n`);
    }),
  );
}
