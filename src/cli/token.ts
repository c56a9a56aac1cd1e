/** `fairlead token`: what programs present in the place of a person. */
import type { Command } from "commander";
import type { RoleBinding } from "../gen/fairlead/console/v1/access_pb.ts";
import { tokenView } from "./access-view.ts";
import { outputOption, spanSeconds, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { addListOptions, type ListOptions, readList } from "./list-options.ts";
import { type Format, printList } from "./output.ts";
import { collectRoles, roleMeaning } from "./role-option.ts";

interface TokenOptions {
  readonly role: RoleBinding[];
  readonly for?: number;
  readonly description?: string;
  readonly owner: boolean;
}

export function addTokenCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const token = program.command("token").description("tokens for programs that use this agent's API");

  const list = token.command("list").alias("ls").description("your tokens; everybody's for an admin");
  addListOptions(list, { labels: false })
    .addOption(outputOption())
    .action((options: ListOptions & { output: Format }) =>
      withAgent(list, context, async ({ client }, signal) => {
        const tokens = await readList(
          options,
          (words) => client.access.listTokens(words, { signal }),
          (answer) => answer.tokens,
        );
        await printList(terminal, tokenView(Date.now()), tokens, options.output);
      }),
    );

  const create = token
    .command("create <name>")
    .description("a token that may no more than you, printed once")
    .requiredOption("--role <role>", roleMeaning, collectRoles)
    .option("--for <span>", 'for how long it counts, as in "30d"; by default 90d', spanSeconds)
    .option("--description <text>", "what it is for")
    .option(
      "--no-owner",
      "for an admin: it goes on without you, for programs that are to; else it ends with you and never may more",
    );
  create.action((name: string, { role: roles, description = "", owner, ...options }: TokenOptions) =>
    withAgent(create, context, async ({ client }, signal) => {
      const lifetimeSeconds = BigInt(Math.round(options.for ?? 0));
      const made = await client.access.createToken(
        { name, description, roles, lifetimeSeconds, withoutOwner: !owner },
        { signal },
      );
      // The token alone goes to standard output, so that it can be piped.
      await terminal.out(`${made.secret}\n`);
      const until = (made.token?.expiresAt ?? "").replace(/:\d\d\.\d+Z$/, "Z").replace("T", " ");
      terminal.err(`This is shown once, and counts until ${until}. Programs send it as "Authorization: Bearer …".\n`);
    }),
  );

  const revoke = token.command("revoke <token>").description("end a token at once, by its name or its id");
  revoke.action((said: string) =>
    withAgent(revoke, context, async ({ client }, signal) => {
      const { id } = await client.access.revokeToken({ token: said }, { signal });
      await terminal.out(`token/${id} revoked\n`);
    }),
  );
}
