/** `fairlead kubeconfig`: plain kubectl for a peer's cluster, as the agent says it; and `kube-token`, which kubectl runs to sign in. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Command } from "commander";
import { spanSeconds, withAgent } from "./command.ts";
import type { CliContext, ConnectionOptions, Terminal } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { credentialOf, kubeTokenCache, kubeTokenWords } from "./kube-token.ts";
import { kubeconfigPath, updateKubeconfig } from "./kubeconfig-file.ts";
import { mergeKubeconfig, readAnswer } from "./kubeconfig-merge.ts";

interface Options {
  readonly name?: string;
  readonly door?: string;
  readonly caFile?: string;
  readonly systemCa?: boolean;
  readonly file?: string;
  readonly stdout?: boolean;
  readonly use?: boolean;
  readonly withToken?: number;
  readonly command: string;
}

export function addKubeconfigCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const write = program
    .command("kubeconfig <peer>")
    .description("write a context into your kubeconfig by which kubectl reaches a peer's cluster");
  write
    .option("--name <name>", "of the context; by default the peer's")
    .option(
      "--door <url>",
      "where kubectl reaches the console, https://…; by default what the agent is told in console.url",
    )
    .option(
      "--ca-file <file>",
      "the CA behind the certificate there; by default the agent's own, if it shows its own certificate",
    )
    .option("--system-ca", "the certificate there is one that this machine trusts")
    .option("--file <file>", "the kubeconfig to write to; by default as kubectl finds it")
    .option("--stdout", "print it, and write nothing")
    .option("--use", "make it the current context")
    .option("--command <path>", "how kubectl runs fairlead", "fairlead")
    .option(
      "--with-token <span>",
      "put a token into it that counts so long, up to 90d, for programs that cannot run fairlead",
      spanSeconds,
    )
    .action((peer: string, options: Options) =>
      withAgent(write, context, async ({ client }, signal) => {
        const found = write.optsWithGlobals<ConnectionOptions>();
        const name = options.name ?? peer;
        const command = { command: options.command, args: kubeTokenWords({ ...found, peer }) };
        const { withToken, door = "" } = options;
        const request = {
          peer,
          context: name,
          trust: await trustOf(options, terminal),
          user:
            withToken === undefined
              ? { case: "exec" as const, value: command }
              : { case: "tokenLifetimeSeconds" as const, value: BigInt(withToken) },
        };
        const ask = async (consoleUrl: string) => {
          const { kubeconfig } = await client.kubernetes.createKubeconfig({ ...request, consoleUrl }, { signal });
          return { kubeconfig, door: consoleUrl };
        };
        const answer = await ask(door).catch((error: unknown) => {
          if (door !== "" || !isUnknownDoor(error)) throw error;
          // What ends TLS before the agent is known here alone.
          const server = found.server ?? terminal.env.FAIRLEAD_SERVER;
          if (server?.startsWith("https:")) return ask(server);
          throw unknownDoor(error, server);
        });
        const user = withToken === undefined ? command : "token";
        const entry = readAnswer(answer.kubeconfig, { name, peer, door: answer.door, user });
        const use = { use: options.use === true };
        if (options.stdout) {
          await terminal.out(mergeKubeconfig("", entry, use));
          return;
        }
        const path = kubeconfigPath(terminal.env, options.file ?? found.kubeconfig);
        await updateKubeconfig(path, (text) => mergeKubeconfig(text, entry, use));
        await terminal.out(`context ${entry.name} written to ${path}\n`);
        const file = options.file === undefined ? "" : `--kubeconfig ${path} `;
        terminal.err(`  try: kubectl ${file}--context ${entry.name} get pods\n`);
      }),
    );

  const token = program
    .command("kube-token <peer>")
    .description("print a short-lived token for a peer's Kubernetes API; kubectl runs it");
  token.action(async (peer: string) => {
    const cache = kubeTokenCache({ peer, ...token.optsWithGlobals<ConnectionOptions>() }, terminal.env);
    const known = await cache.find(process.ppid);
    if (known) return terminal.out(credentialOf(known));
    await withAgent(token, context, async ({ client }, signal) => {
      const { token: text, expires } = await client.kubernetes.createKubernetesToken({ peer }, { signal });
      const made = { token: text, expires };
      await cache.keep(made, process.ppid);
      await terminal.out(credentialOf(made));
    });
  });
}

async function trustOf({ caFile, systemCa }: Options, terminal: Pick<Terminal, "readFile">) {
  if (caFile !== undefined) return { case: "caPem" as const, value: await terminal.readFile(caFile) };
  return systemCa === true ? { case: "systemRoots" as const, value: true } : { case: undefined };
}

/** The agent does not know where it is reached over TLS. */
function isUnknownDoor(error: unknown): error is ConnectError {
  return error instanceof ConnectError && error.code === Code.FailedPrecondition;
}

function unknownDoor(error: ConnectError, server: string | undefined): CliError {
  // The console's port speaks TLS too.
  const guess = server?.startsWith("http:") ? server.replace("http:", "https:") : "https://HOST:PORT";
  const hint = `--door ${guess}, or console.url in the agent's configuration`;
  return new CliError(error.rawMessage, { code: exitCode.usage, hint, cause: error });
}
