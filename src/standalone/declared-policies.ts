/** The PeerPolicies of an agent without a cluster: what files say, and nothing else. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Document, parseDocuments } from "../base/document.ts";
import type { KubeClient } from "../kube/client.ts";
import { isJsonObject, type JsonObject } from "../kube/object.ts";
import { apiVersionOf } from "../kube/resource-kind.ts";
import { peerPolicies } from "../kube/resources.ts";
import { statePolicy } from "../policy/stated.ts";

export interface DeclaredPolicy {
  readonly name: string;
  readonly spec: JsonObject;
}

/** Those of a file, or of all files of a folder that end in .yaml, .yml or .json. Rejects with what is wrong, and where. */
export async function readPolicies(path: string): Promise<DeclaredPolicy[]> {
  const isFolder = (await stat(path)).isDirectory();
  const names = isFolder ? (await readdir(path)).filter((name) => /\.(ya?ml|json)$/.test(name)).sort() : [];
  const files = isFolder ? names.map((name) => join(path, name)) : [path];
  const found: DeclaredPolicy[] = [];
  for (const file of files) {
    for (const document of parseDocuments(await readFile(file, "utf8"), file)) found.push(readPolicy(document, file));
  }
  return found;
}

/** Makes the policies that are stored exactly these. Rejects before that with what of them cannot be understood. */
export async function declarePolicies(
  client: Pick<KubeClient, "list" | "create" | "update" | "delete">,
  namespace: string,
  declared: readonly DeclaredPolicy[],
  signal: AbortSignal,
): Promise<void> {
  for (const { name, spec } of declared) {
    // Stored, half a rule would close everything for whom it is about; whoever wrote it is here to mend it.
    const { problems } = statePolicy(peerPolicies.parse({ metadata: { name }, spec }), { toItself: true });
    if (problems.length > 0) throw new Error(`PeerPolicy ${name}: ${problems.join("; ")}`);
  }
  const twice = declared.find(({ name }, index) => declared.findIndex((other) => other.name === name) !== index);
  if (twice) throw new Error(`There are two PeerPolicies called ${twice.name}.`);
  const present = new Map(
    (await client.list(peerPolicies, { namespace }, signal)).items.map((one) => [one.metadata.name ?? "", one]),
  );
  for (const { name, spec } of declared) {
    const metadata = { namespace, name };
    const wanted = peerPolicies.parse({ metadata, spec });
    const before = present.get(name);
    if (!before) await client.create(peerPolicies, wanted, signal);
    else if (
      !isDeepStrictEqual(peerPolicies.format({ spec: before.spec }), peerPolicies.format({ spec: wanted.spec }))
    ) {
      await client.update(peerPolicies, wanted, signal);
    }
    present.delete(name);
  }
  for (const name of present.keys()) await client.delete(peerPolicies, { namespace, name }, {}, signal);
}

function readPolicy({ value, line }: Document, file: string): DeclaredPolicy {
  const { apiVersion, kind, metadata, spec = {} } = isJsonObject(value) ? value : {};
  const name = isJsonObject(metadata) ? metadata.name : undefined;
  const wrong = (why: string): Error => new Error(`${file}, line ${line}: ${why}`);
  if (apiVersion !== apiVersionOf(peerPolicies) || kind !== peerPolicies.kind) {
    throw wrong(`this is no ${peerPolicies.kind} of ${apiVersionOf(peerPolicies)}`);
  }
  if (typeof name !== "string" || !isJsonObject(spec)) throw wrong("a PeerPolicy needs metadata.name and a spec");
  return { name, spec };
}
