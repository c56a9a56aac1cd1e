/** `fairlead policy apply` and `delete`: PeerPolicies written by administrators, with what comes of it for whom. */
import { fromJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Command } from "commander";
import { parseDocuments } from "../base/document.ts";
import { errorText } from "../base/error-text.ts";
import type { FairleadClient } from "../client/index.ts";
import type { Policy, PolicyEffect } from "../gen/fairlead/console/v1/policy_service_pb.ts";
import { type PeerPolicySpec, PeerPolicySpecSchema } from "../gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import { withAgent } from "./command.ts";
import type { CliContext, Terminal } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { plain } from "./table.ts";

interface Manifest {
  readonly name: string;
  readonly spec: PeerPolicySpec;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

export function addPolicyWriting(policy: Command, context: CliContext): void {
  const { terminal } = context;

  const apply = policy
    .command("apply")
    .description("make PeerPolicies, or make them these; says what changes for whom");
  apply
    .requiredOption("-f, --file <path>", "the manifests; - reads standard input")
    .option("--dry-run", "check everything, and change nothing")
    .action(({ file, dryRun = false }: { file: string; dryRun?: boolean }) =>
      withAgent(apply, context, async ({ client }, signal) => {
        const text = file === "-" ? await terminal.readInput() : await terminal.readFile(file);
        for (const manifest of readPolicies(text, file === "-" ? "standard input" : file)) {
          const before = await findPolicy(client, manifest.name, signal);
          const request = { ...manifest, version: before?.version ?? "", dryRun };
          const { changed, effects } = await client.policies.applyPolicy(request, { signal });
          const word = before === undefined ? "created" : changed ? "configured" : "unchanged";
          await tell(terminal, manifest.name, `${word}${dryRun ? " (dry run)" : ""}`, effects);
        }
      }),
    );

  const remove = policy.command("delete <name>").description("delete a PeerPolicy; says what changes for whom");
  remove
    .option("--dry-run", "check everything, and change nothing")
    .action((name: string, { dryRun = false }: { dryRun?: boolean }) =>
      withAgent(remove, context, async ({ client }, signal) => {
        const { effects } = await client.policies.deletePolicy({ name, dryRun }, { signal });
        await tell(terminal, name, `deleted${dryRun ? " (dry run)" : ""}`, effects);
      }),
    );
}

/** Undefined when there is none. */
export async function findPolicy(
  client: FairleadClient,
  name: string,
  signal: AbortSignal,
): Promise<Policy | undefined> {
  try {
    return (await client.policies.getPolicy({ name }, { signal })).policy;
  } catch (error) {
    if (ConnectError.from(error).code === Code.NotFound) return undefined;
    throw error;
  }
}

async function tell(terminal: Terminal, name: string, word: string, effects: readonly PolicyEffect[]): Promise<void> {
  await terminal.out(`peerpolicy.fairlead.dev/${plain(name)} ${word}\n`);
  for (const { peer, values, problems } of effects) {
    for (const { path, before, after } of values) {
      terminal.err(`${plain(`${peer}: ${path}: ${before || "no bound"} → ${after || "no bound"}`)}\n`);
    }
    for (const problem of problems) terminal.err(`${plain(`${peer}: nothing of it would run: ${problem}`)}\n`);
  }
}

/** Throws a usage error that says where. */
function readPolicies(text: string, from: string): Manifest[] {
  try {
    const manifests = parseDocuments(text, from).map(({ value }) => readPolicy(value, from));
    if (manifests.length > 0) return manifests;
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(errorText(error), { code: exitCode.usage, cause: error });
  }
  throw new CliError(`${from} holds no PeerPolicy`, { code: exitCode.usage, hint: "docs/policies.md has examples" });
}

function readPolicy(value: unknown, from: string): Manifest {
  const json: unknown = JSON.parse(JSON.stringify(value));
  const { apiVersion, kind, metadata, spec = {} } = isMap(json) ? json : {};
  const { name, labels, annotations } = isMap(metadata) ? metadata : {};
  if (apiVersion !== "fairlead.dev/v1alpha1" || kind !== "PeerPolicy" || typeof name !== "string" || !isMap(spec)) {
    const hint = "apiVersion: fairlead.dev/v1alpha1, kind: PeerPolicy, and a metadata.name";
    throw new CliError(`${from} holds something that is no PeerPolicy`, { code: exitCode.usage, hint });
  }
  return {
    name,
    spec: fromJson(PeerPolicySpecSchema, JSON.parse(JSON.stringify(spec))),
    labels: texts(labels),
    annotations: texts(annotations),
  };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function texts(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(isMap(value) ? value : {}).map(([name, text]) => [name, String(text)]));
}
