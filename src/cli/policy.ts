/** `fairlead policy`: what peers may do here, and which PeerPolicy says so. */
import type { Command } from "commander";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { addListOptions, type ListOptions, readList } from "./list-options.ts";
import { type Format, printList, printOne, printValue } from "./output.ts";
import { explanationJson, explanationText, policyView } from "./policy-view.ts";
import { adviseOnPolicy } from "./policy-warning.ts";
import { addPolicyWriting, findPolicy } from "./policy-write.ts";
import { plain } from "./table.ts";

export function addPolicyCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const policy = program.command("policy").description("what peers may do here, and why");

  const list = policy.command("list").alias("ls").description("the PeerPolicies of this cluster");
  addListOptions(list, { labels: true })
    .addOption(outputOption())
    .action((options: ListOptions & { output: Format }) =>
      withAgent(list, context, async ({ client }, signal) => {
        const policies = await readList(
          options,
          (words) => client.policies.listPolicies(words, { signal }),
          (answer) => answer.policies,
        );
        await printList(terminal, policyView(Date.now()), policies, options.output);
      }),
    );

  const get = policy.command("get <name>").description("one PeerPolicy");
  get.addOption(outputOption()).action((name: string, options: { output: Format }) =>
    withAgent(get, context, async ({ client }, signal) => {
      const found = await findPolicy(client, name, signal);
      if (found) return printOne(terminal, policyView(Date.now()), found, options.output);
      throw new CliError(`there is no PeerPolicy ${plain(name)}`, {
        code: exitCode.notFound,
        hint: "fairlead policy list; for what counts for a peer: fairlead policy explain PEER",
      });
    }),
  );

  addPolicyWriting(policy, context);

  const explain = policy
    .command("explain <peer>")
    .description("what counts for one peer, field by field, and which PeerPolicy says so; -o wide: what it overrules");
  explain.addOption(outputOption()).action((peer: string, options: { output: Format }) =>
    withAgent(explain, context, async ({ client }, signal) => {
      const explained = await client.policies.explainPolicy({ peer }, { signal });
      const { output } = options;
      if (output === "name") return terminal.out(`peer.fairlead.dev/${plain(explained.peer)}\n`);
      if (output === "json" || output === "yaml") return printValue(terminal, explanationJson(explained), output);
      const text = explanationText(explained, { wide: output === "wide", now: Date.now() });
      await terminal.out(`${text}\n`);
      await adviseOnPolicy(client, explained, { kubectl: explain.optsWithGlobals(), say: terminal.err }, signal);
    }),
  );
}
