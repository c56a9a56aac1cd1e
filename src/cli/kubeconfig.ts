/** `fairlead kubeconfig`: plain kubectl for a peer's cluster; and `kube-token`, which kubectl runs to sign in. */
import type { Command } from "commander";
import { spanSeconds, withAgent } from "./command.ts";
import type { CliContext, ConnectionOptions } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { credentialOf, kubeTokenCache, kubeTokenWords } from "./kube-token.ts";
import { kubeconfigPath, updateKubeconfig } from "./kubeconfig-file.ts";
import { mergeKubeconfig } from "./kubeconfig-merge.ts";

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
        const door = await client.kubernetes.getKubernetesDoor({ peer }, { signal });
        const userFor = async ({ withToken, command }: Options) => {
          if (withToken === undefined) return { command, args: kubeTokenWords({ ...found, peer }) };
          const asked = { peer, lifetimeSeconds: BigInt(withToken) };
          return { token: (await client.kubernetes.createKubernetesToken(asked, { signal })).token };
        };
        const own = options.systemCa !== true && options.caFile === undefined;
        const entry = {
          name: options.name ?? peer,
          server: consoleUrl(options.door, door.consoleUrl, found.server ?? terminal.env.FAIRLEAD_SERVER) + door.path,
          caPem: options.caFile === undefined ? (own ? door.caPem : "") : await terminal.readFile(options.caFile),
          serverName: own ? door.serverName : "",
          user: await userFor(options),
          use: options.use === true,
        };
        if (options.stdout) {
          await terminal.out(mergeKubeconfig("", entry));
          return;
        }
        const path = kubeconfigPath(terminal.env, options.file ?? found.kubeconfig);
        await updateKubeconfig(path, (text) => mergeKubeconfig(text, entry));
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

function consoleUrl(given: string | undefined, told: string, server: string | undefined): string {
  const text = given ?? (told !== "" ? told : server?.startsWith("https:") ? server : undefined);
  const url = text === undefined ? null : URL.parse(text);
  if (url?.protocol === "https:") return url.href.replace(/\/$/, "");
  // The console's port speaks TLS too.
  const guess = server?.startsWith("http:") ? server.replace("http:", "https:") : "https://HOST:PORT";
  throw new CliError(
    text === undefined ? "it is not known where kubectl reaches the console over TLS" : `${text} is no https URL`,
    { code: exitCode.usage, hint: `--door ${guess}, or console.url in the agent's configuration` },
  );
}
