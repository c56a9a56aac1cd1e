/** `fairlead forward get`, `create`, `edit` and `delete`: Forwards of this cluster, one by one. */
import type { Command } from "commander";
import type { FairleadClient } from "../client/index.ts";
import type { Forward, UpdateForwardResponse } from "../gen/fairlead/console/v1/tunnel_service_pb.ts";
import { collectPairs, namespaceOption, outputOption, withAgent } from "./command.ts";
import type { CliContext, Terminal } from "./context.ts";
import { editUntilTaken } from "./edit-until-taken.ts";
import { CliError, exitCode } from "./errors.ts";
import {
  type ForwardManifest,
  type ForwardWords,
  forwardFromWords,
  forwardKind,
  readForwards,
} from "./forward-manifest.ts";
import { forwardView } from "./forward-view.ts";
import { manifestText, readEdited } from "./manifest.ts";
import { type Format, printOne } from "./output.ts";
import { namedPeer } from "./peer-name.ts";
import { plain } from "./table.ts";

interface Options {
  readonly namespace?: string;
  readonly dryRun?: boolean;
  readonly output: Format;
}

interface CreateOptions extends Options, Pick<ForwardWords, "reverse" | "proxyProtocol" | "idle" | "label"> {
  readonly file?: string;
}

/** The words behind `create`. */
type Given = { readonly [Word in "name" | "peer" | "target"]: string | undefined } & Pick<ForwardWords, "ports">;

type Ref = ForwardManifest["ref"];

export function addForwardWriting(forward: Command, context: CliContext): void {
  const { terminal } = context;

  const get = forward.command("get <name>").description("one Forward of this cluster");
  get
    .addOption(namespaceOption())
    .addOption(outputOption())
    .action((name: string, options: Options) =>
      withAgent(get, context, async ({ client, namespace: ours }, signal) => {
        const found = await read(client, { namespace: options.namespace ?? ours, name: plainName(name) }, signal);
        await printOne(terminal, forwardView(Date.now(), ""), found, options.output);
      }),
    );

  const create = forward
    .command("create [name] [peer] [target] [ports...]")
    .description(
      "make a Forward: a Service here of what a peer has; each port as [NAME=]PORT[:PORT THERE][/udp], or all of it from -f",
    );
  changing(create)
    .option("-f, --file <path>", "the manifests; - reads standard input")
    .option("--reverse", "what is here, service/NAME, becomes a Service at the peer")
    .option("--proxy-protocol", "begin each connection with a PROXY header (version 2) that says who connected")
    .option("--idle <time>", "reset what is silent in both directions for so long, such as 30m")
    .option("--label <pairs>", "labels of the Forward: a=b,c=d", collectPairs)
    .action(
      (
        name: string | undefined,
        peer: string | undefined,
        target: string | undefined,
        ports: string[],
        options: CreateOptions,
      ) =>
        withAgent(create, context, async ({ client, namespace: ours }, signal) => {
          const given = { name, peer, target, ports };
          // `fairlead forward` itself has that option, and takes it wherever it stands.
          const { proxyProtocol } = create.optsWithGlobals<CreateOptions>();
          for (const manifest of await manifests(
            terminal,
            given,
            { ...options, proxyProtocol },
            options.namespace ?? ours,
          )) {
            const made = await client.tunnels.createForward({ ...manifest, ...dryRun(options) }, { signal });
            await tell(terminal, manifest.ref, "created", made.forward, options);
          }
        }),
    );

  const edit = forward.command("edit <name>").description("change a Forward in your editor");
  changing(edit).action((name: string, options: Options) =>
    withAgent(edit, context, async ({ client, namespace: ours }, signal) => {
      const ref = { namespace: options.namespace ?? ours, name: plainName(name) };
      const answer = await untilTaken(client, terminal, ref, options, signal);
      const word = answer === undefined ? "not edited" : answer.changed ? "edited" : "unchanged";
      await tell(terminal, ref, word, answer?.forward, options);
    }),
  );

  const remove = forward
    .command("delete <names...>")
    .description("delete Forwards; their Services go with them, and connections by them are reset");
  remove
    .addOption(namespaceOption())
    .option("--dry-run", "check everything, and change nothing")
    .action((names: string[], options: Options) =>
      withAgent(remove, context, async ({ client, namespace: ours }, signal) => {
        for (const name of names) {
          const ref = { namespace: options.namespace ?? ours, name: plainName(name) };
          await client.tunnels.deleteForward({ ref, ...dryRun(options) }, { signal });
          await tell(terminal, ref, "deleted", undefined, { ...options, output: "table" });
        }
      }),
    );
}

function changing(command: Command): Command {
  return command
    .addOption(namespaceOption())
    .option("--dry-run", "check everything, and change nothing")
    .addOption(outputOption());
}

/** "forward.fairlead.dev/db", as `-o name` prints it, is "db". */
function plainName(text: string): string {
  return text.replace(/^(forwards?(\.fairlead\.dev)?|fwd)\//, "");
}

async function read(client: FairleadClient, ref: Ref, signal: AbortSignal): Promise<Forward> {
  const { forward } = await client.tunnels.getForward({ ref }, { signal });
  if (forward) return forward;
  throw new CliError(`the agent answered without ${ref.name}`);
}

/** Of the file, or of the words. Throws a usage error when neither or both are given. */
async function manifests(
  terminal: Terminal,
  { name, peer, target, ports }: Given,
  { file, ...options }: CreateOptions,
  namespace: string,
): Promise<ForwardManifest[]> {
  const hint = "fairlead forward create db berlin service/data/postgres 5432, or -f db.yaml";
  if (file !== undefined) {
    if (name !== undefined) throw new CliError("give the words or a file, not both", { code: exitCode.usage, hint });
    const text = file === "-" ? await terminal.readInput() : await terminal.readFile(file);
    return readForwards(text, file === "-" ? "standard input" : file, namespace);
  }
  if (name === undefined || peer === undefined || target === undefined || ports.length === 0) {
    throw new CliError("a Forward needs a name, a peer, what it leads to there, and a port", {
      code: exitCode.usage,
      hint,
    });
  }
  return [forwardFromWords(namespace, { ...options, name, peer: namedPeer(peer), target, ports })];
}

/** Undefined when the person saves nothing, or nothing else than was there. */
function untilTaken(
  client: FairleadClient,
  terminal: Terminal,
  ref: Ref,
  options: Options,
  signal: AbortSignal,
): Promise<UpdateForwardResponse | undefined> {
  const edited = {
    noun: "Forward",
    file: `${ref.name}.yaml`,
    read: () => read(client, ref, signal),
    editable: ({ metadata, spec }: Forward) => manifestText(forwardKind, metadata, spec),
    write: (text: string, { version }: Forward) =>
      client.tunnels.updateForward(
        { ref, version, ...readEdited(forwardKind, text, ref), ...dryRun(options) },
        { signal },
      ),
    again: () => `fairlead forward edit ${ref.name} -n ${ref.namespace}`,
  };
  return editUntilTaken(terminal, edited, signal);
}

function dryRun(options: Pick<Options, "dryRun">): { readonly dryRun: boolean } {
  return { dryRun: options.dryRun === true };
}

async function tell(
  terminal: Terminal,
  { name }: Ref,
  word: string,
  forward: Forward | undefined,
  { output, ...options }: Options,
): Promise<void> {
  if (forward && (output === "json" || output === "yaml")) {
    await printOne(terminal, forwardView(Date.now(), ""), forward, output);
    return;
  }
  const done = output === "name" ? "" : ` ${word}${options.dryRun ? " (dry run)" : ""}`;
  await terminal.out(`forward.fairlead.dev/${plain(name)}${done}\n`);
}
