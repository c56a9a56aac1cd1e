/** `fairlead user`: people who sign in with a password. */
import type { Command } from "commander";
import type { RoleBinding } from "../gen/fairlead/console/v1/access_pb.ts";
import { userView } from "./access-view.ts";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { addListOptions, type ListOptions, readList } from "./list-options.ts";
import { type Format, printList } from "./output.ts";
import { collectRoles, formatRoles, roleMeaning } from "./role-option.ts";

export function addUserCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const user = program.command("user").description("people who sign in with a password");

  const list = user.command("list").alias("ls").description("the users of this agent");
  addListOptions(list, { labels: false })
    .addOption(outputOption())
    .action((options: ListOptions & { output: Format }) =>
      withAgent(list, context, async ({ client }, signal) => {
        const users = await readList(
          options,
          (words) => client.access.listUsers(words, { signal }),
          (answer) => answer.users,
        );
        await printList(terminal, userView(Date.now()), users, options.output);
      }),
    );

  const create = user
    .command("create <name>")
    .description("a user, with a password that is printed once and that they change when they first sign in")
    .requiredOption("--role <role>", roleMeaning, collectRoles)
    .action((name: string, { role: roles }: { role: RoleBinding[] }) =>
      withAgent(create, context, async ({ client }, signal) => {
        const { password } = await client.access.createUser({ name, roles }, { signal });
        await tellPassword(context, password, `${name} can sign in with it once, and chooses another then.`);
      }),
    );

  const setRoles = user
    .command("set-roles <name>")
    .description("say anew what a user may do; it counts at once, also for what is signed in already")
    .requiredOption("--role <role>", roleMeaning, collectRoles)
    .action((name: string, { role: values }: { role: RoleBinding[] }) =>
      withAgent(setRoles, context, async ({ client }, signal) => {
        const { user: changed, tokensLeft } = await client.access.updateUser({ name, roles: { values } }, { signal });
        await terminal.out(`user/${name} is ${formatRoles(changed?.roles ?? []).join(" ")}\n`);
        terminal.err("What they have signed in, and their own tokens, may no more than that from now on.\n");
        tellTokens(context, tokensLeft, "keep their roles");
      }),
    );

  for (const disabled of [true, false]) {
    const verb = disabled ? "disable" : "enable";
    const about = disabled ? "keep a user out; all that they have signed in ends" : "let a user sign in again";
    const command = user.command(`${verb} <name>`).description(about);
    command.action((name: string) =>
      withAgent(command, context, async ({ client }, signal) => {
        const { tokensLeft } = await client.access.updateUser({ name, disabled }, { signal });
        await terminal.out(`user/${name} ${verb}d\n`);
        if (disabled) tellTokens(context, tokensLeft);
      }),
    );
  }

  const reset = user
    .command("reset-password <name>")
    .description("another password, printed once; all that the user has signed in ends");
  reset.action((name: string) =>
    withAgent(reset, context, async ({ client }, signal) => {
      const { password, tokensLeft } = await client.access.resetPassword({ name }, { signal });
      await tellPassword(context, password, `${name} can sign in with it once, and chooses another then.`);
      tellTokens(context, tokensLeft);
    }),
  );

  const remove = user
    .command("delete <name>")
    .description("delete a user; all that they have signed in ends, and their tokens do")
    .option("-y, --yes", "do not ask");
  remove.action((name: string, { yes }: { yes?: boolean }) =>
    withAgent(remove, context, async ({ client }, signal) => {
      if (yes !== true) await confirm(context, name);
      const { tokensLeft } = await client.access.deleteUser({ name }, { signal });
      await terminal.out(`user/${name} deleted\n`);
      tellTokens(context, tokensLeft);
    }),
  );
}

/** The password alone goes to standard output, so that it can be piped. */
async function tellPassword({ terminal }: CliContext, password: string, meaning: string): Promise<void> {
  await terminal.out(`${password}\n`);
  terminal.err(`This is shown once. ${meaning}\n`);
}

/** What a user has made that goes on without them. */
function tellTokens({ terminal }: CliContext, names: readonly string[], verb = "go on"): void {
  if (names.length === 0) return;
  terminal.err(
    `Tokens that they made, and that stand by themselves, ${verb}: ${names.join(", ")}. End one with \`fairlead token revoke NAME\`.\n`,
  );
}

async function confirm({ terminal }: CliContext, name: string): Promise<void> {
  if (!terminal.interactive) {
    throw new CliError(`to delete user ${name}, say --yes`, { code: exitCode.usage });
  }
  const answer = await terminal.ask(`Delete user ${name}? What they have signed in ends, and their tokens do. [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError("not deleted");
}
