/** Forwards as a person writes them: YAML documents, or words of the command line. Pure. */
import type { JsonObject } from "@bufbuild/protobuf";
import { type ForwardSpec, ForwardSpecSchema } from "../gen/fairlead/resources/v1alpha1/forward_pb.ts";
import { CliError, exitCode } from "./errors.ts";
import { type Manifest, readManifestsOf, readSpec } from "./manifest.ts";

/** What `forward create` sends. */
export type ForwardManifest = Manifest<ForwardSpec>;

/** As manifests have it. */
export const forwardKind = { kind: "Forward", spec: ForwardSpecSchema, noun: "a Forward" };

/** The words that stand for a manifest. */
export interface ForwardWords {
  readonly name: string;
  readonly peer: string;
  readonly target: string;
  /** As in "dns=53:1053/udp". */
  readonly ports: readonly string[];
  readonly reverse?: boolean | undefined;
  readonly proxyProtocol?: boolean | undefined;
  readonly idle?: string | undefined;
  readonly label?: Readonly<Record<string, string>> | undefined;
}

/** The Forwards in a YAML or JSON text of one or more documents. Throws a `CliError` with the place of the mistake. */
export function readForwards(text: string, from: string, defaultNamespace: string): ForwardManifest[] {
  return readManifestsOf(forwardKind, text, from, defaultNamespace);
}

/** One Forward from the command line. */
export function forwardFromWords(namespace: string, words: ForwardWords): ForwardManifest {
  const { name, peer, target, reverse, proxyProtocol, idle, label = {} } = words;
  const spec: JsonObject = {
    peer,
    target,
    ports: words.ports.map(readPort),
    ...(reverse && { direction: "Reverse" }),
    ...(proxyProtocol && { proxyProtocol: "V2" }),
    ...(idle !== undefined && { idle }),
  };
  return {
    ref: { namespace, name },
    spec: readSpec(forwardKind, spec, () => "the command line"),
    labels: { ...label },
    annotations: {},
  };
}

/** `[NAME=]PORT[:PORT THERE][/udp]`; a port without a name is called after its number. */
function readPort(word: string): JsonObject {
  const match = /^(?:(?<name>[a-z0-9-]+)=)?(?<port>\d{1,5})(?::(?<there>[a-z0-9-]+))?(?:\/(?<network>tcp|udp))?$/.exec(
    word,
  );
  if (!match?.groups) {
    throw new CliError(`${JSON.stringify(word)} is no port of a Forward`, {
      code: exitCode.usage,
      hint: "5432, 80:8080, 80:http, dns=53/udp",
    });
  }
  const { name, port, there, network = "tcp" } = match.groups;
  return {
    name: name ?? `${network}-${port}`,
    port: Number(port),
    ...(there !== undefined && { targetPort: /^\d+$/.test(there) ? Number(there) : there }),
    ...(network === "udp" && { protocol: "UDP" }),
  };
}
