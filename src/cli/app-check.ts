/** `fairlead app check`: would peers run an app, and if not, by which rule? Nothing is deployed. */
import type { Command } from "commander";
import { addSpecOptions, readWanted, type SpecOptions } from "./app-options.ts";
import { type AskedVerdict, failOnVerdicts, verdictLines, verdictRows, verdictView } from "./app-verdict.ts";
import { collectList, outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { type Format, printList } from "./output.ts";

interface Options extends SpecOptions {
  readonly peer?: string[];
  readonly all?: boolean;
  readonly output: Format;
}

export function addAppCheck(app: Command, context: CliContext): void {
  const { terminal } = context;
  const check = addSpecOptions(
    app.command("check [name]").description("ask peers whether they would run an app, without deploying it"),
  )
    .option("--peer <peers>", "whom to ask; by default the peer that the app names; may be given again", collectList)
    .option("--all", "ask all peers")
    .addOption(outputOption());
  check.action((name: string | undefined, options: Options) =>
    withAgent(check, context, async ({ client, namespace }, signal) => {
      if (options.all && options.peer) throw new CliError("give either --peer or --all", { code: exitCode.usage });
      const { peer: named, all, output, ...spec } = options;
      const peers = all ? await allPeers() : (named ?? []);
      const example = spec.file ? {} : { peer: peers[0] ?? "" };
      if (example.peer === "") {
        throw new CliError("nobody is asked: the app names no peer", {
          code: exitCode.usage,
          hint: "fairlead app check … --peer west, or --all",
        });
      }
      const asked: AskedVerdict[] = [];
      // Who gives options asks about an app that need not have a name yet.
      const called = spec.file ? name : (name ?? "app");
      const wanted = await readWanted(called, { ...spec, ...example }, spec.namespace ?? namespace, terminal);
      for (const manifest of wanted) {
        const { ref } = manifest;
        const { verdicts } = await client.apps.checkApp({ ref, spec: manifest.spec, peers }, { signal });
        asked.push(...verdicts.map((verdict) => ({ app: ref, verdict })));
      }
      const several = wanted.length > 1;
      const isTable = output === "table" || output === "wide";
      await printList(terminal, verdictView(several), isTable ? verdictRows(asked) : asked, output);
      if (output === "table") {
        const open = asked.filter(({ verdict }) => verdict.verdict !== "Admitted");
        for (const line of open.flatMap(verdictLines)) await terminal.out(`${line}\n`);
      }
      failOnVerdicts(asked);

      async function allPeers(): Promise<string[]> {
        const found = (await client.peers.listPeers({}, { signal })).peers;
        if (found.length > 0) return found.map(({ metadata }) => metadata?.name ?? "");
        throw new CliError("there is no peer to ask", { code: exitCode.usage, hint: "fairlead peer list" });
      }
    }),
  );
}
