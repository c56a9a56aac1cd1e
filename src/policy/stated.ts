/** What one PeerPolicy says, understood; and what of it cannot be. Pure. */
import { toJson } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { createValidator } from "@bufbuild/protovalidate";
import { parseDuration } from "../base/duration.ts";
import {
  type EgressRule as EgressMessage,
  type PeerPolicySpec,
  PeerPolicySpecSchema,
  type ServiceRule as ServiceMessage,
} from "../gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import type { PeerPolicy } from "../kube/resources.ts";
import { parseCidr } from "./cidr.ts";
import type { EgressRule, PolicyPeer, ServiceRule } from "./effective-policy.ts";
import { type ImagePattern, parsePattern } from "./image-pattern.ts";
import { type Quantity, readQuantity } from "./quantity.ts";
import { type NameCheck, podResource, quotaName } from "./resource-name.ts";

/** A value that a policy says, with the JSON text to show of it. */
export interface Stated<T> {
  readonly value: T;
  readonly text: string;
}

type Said<T> = Stated<T> | undefined;
type SaidMap<T> = ReadonlyMap<string, Stated<T>>;

/** Fields that are missing are not spoken of. */
export interface StatedPolicy {
  readonly name: string;
  /** RFC 3339 in UTC, so that texts compare as times do; the last of all when it is missing. */
  readonly createdAt: string;
  /** How closely it names a peer it selects: the names before labels, more labels before fewer, all peers last. */
  readonly closeness: number;
  selects(peer: PolicyPeer): boolean;
  /** Each with its path. Empty when all of it is understood. */
  readonly problems: readonly string[];
  readonly fields: StatedFields;
}

export interface StatedFields {
  readonly accept: Said<boolean>;
  readonly approval: Said<"Never" | "NewImage" | "Always">;
  readonly approvalAbove: SaidMap<Quantity>;
  readonly approvalLasts: Said<number>;
  readonly images: Said<readonly ImagePattern[]>;
  readonly deniedImages: Said<readonly ImagePattern[]>;
  readonly requireDigest: Said<boolean>;
  readonly quota: SaidMap<Quantity>;
  readonly total: SaidMap<Quantity>;
  readonly maxReplicas: Said<number>;
  readonly maxApps: Said<number>;
  readonly requireRequests: Said<readonly string[]>;
  readonly requireLimits: Said<readonly string[]>;
  readonly podMax: SaidMap<Quantity>;
  readonly defaultRequests: SaidMap<Quantity>;
  readonly defaultLimits: SaidMap<Quantity>;
  readonly storageClasses: Said<readonly string[]>;
  readonly storageMaxSize: Said<Quantity>;
  readonly podSecurity: Said<"baseline" | "restricted">;
  readonly nodeSelector: SaidMap<string>;
  readonly egress: Said<readonly EgressRule[]>;
  readonly whenViolated: Said<"Keep" | "Stop">;
  readonly tunnelApps: Said<boolean>;
  readonly services: Said<readonly ServiceRule[]>;
  readonly kubernetes: Said<boolean>;
  readonly tunnelApproval: Said<"Never" | "FirstUse">;
  readonly tunnelApprovalLasts: Said<number>;
  readonly tunnelsUntil: Said<number>;
  readonly logs: Said<boolean>;
  readonly exec: Said<boolean>;
  readonly files: Said<boolean>;
}

const validator = createValidator();
/** Problems of one policy that are told of. */
const mostProblems = 16;

export function statePolicy(policy: PeerPolicy): StatedPolicy {
  const problems = new Problems();
  for (const problem of policy.problems ?? []) problems.addText(problem);
  for (const { path, message } of brokenRules(policy.spec)) problems.add(path, message);
  const fields = readFields(policy.spec, problems);
  const { names = [], matchLabels = {} } = policy.spec.peers ?? {};
  const wanted = Object.entries(matchLabels);
  if ((names.length > 0 || wanted.length > 0) && fields.total.size > 0) {
    problems.add("spec.workloads.total", "a total over all peers belongs into a policy for all peers");
  }
  // Of a selector that is not understood nobody knows whom it means; so it means everybody.
  const isUnclear = problems.has("spec.peers") || problems.has("spec");
  const closeness = names.length > 0 ? Number.MAX_SAFE_INTEGER : wanted.length;
  return {
    name: policy.metadata.name ?? "",
    createdAt: policy.metadata.creationTimestamp ?? "~",
    closeness,
    selects({ name, labels }) {
      if (isUnclear) return true;
      if (names.length > 0) return names.includes(name);
      return wanted.every(([label, value]) => Object.hasOwn(labels, label) && labels[label] === value);
    },
    problems: problems.list(),
    fields,
  };
}

/** Of each path the first problem. */
class Problems {
  readonly #found = new Map<string, string>();

  /** As `Resource.problems` has them: "spec.foo: unknown field". */
  addText(text: string): void {
    const colon = text.indexOf(": ");
    this.add(colon < 0 ? "spec" : text.slice(0, colon), colon < 0 ? text : text.slice(colon + 2));
  }

  add(path: string, message: string): void {
    if (!this.#found.has(path)) this.#found.set(path, message);
  }

  /** Whether anything is wrong at the path or below it; at exactly `spec` for the whole. */
  has(path: string): boolean {
    if (this.#found.has(path)) return true;
    return (
      path !== "spec" &&
      [...this.#found.keys()].some((found) => /^[.[]/.test(found.slice(path.length)) && found.startsWith(path))
    );
  }

  list(): string[] {
    const texts = [...this.#found].map(([path, message]) => `${path}: ${message}`);
    const more = texts.length - mostProblems;
    return more > 0 ? [...texts.slice(0, mostProblems), `and ${more} more`] : texts;
  }
}

function brokenRules(spec: PeerPolicySpec): { path: string; message: string }[] {
  const result = validator.validate(PeerPolicySpecSchema, spec);
  if (result.kind === "valid") return [];
  if (result.kind === "error") return [{ path: "spec", message: result.error.message }];
  return result.violations.map(({ field, message }) => ({ path: `spec${field.map(pathPart).join("")}`, message }));
}

function pathPart(part: Path[number]): string {
  if (part.kind === "field") return `.${part.jsonName}`;
  if (part.kind === "list_sub") return `[${part.index}]`;
  return part.kind === "map_sub" ? `[${String(part.key)}]` : "";
}

function readFields(spec: PeerPolicySpec, problems: Problems): StatedFields {
  const { workloads, tunnels, pods } = spec;
  const { pod, storage, network } = workloads ?? {};
  const read = new Reader(problems);
  return {
    accept: plain(workloads?.accept),
    approval: read.word("spec.workloads.approval", workloads?.approval, ["Never", "NewImage", "Always"]),
    approvalAbove: read.amounts("spec.workloads.approvalAbove", workloads?.approvalAbove, quotaName),
    approvalLasts: read.duration("spec.workloads.approvalLasts", workloads?.approvalLasts),
    images: read.list("spec.workloads.images", workloads?.images, parsePattern, "no pattern of images"),
    deniedImages: read.list(
      "spec.workloads.deniedImages",
      workloads?.deniedImages,
      parsePattern,
      "no pattern of images",
    ),
    requireDigest: plain(workloads?.requireDigest),
    quota: read.amounts("spec.workloads.quota", workloads?.quota, quotaName),
    total: read.amounts("spec.workloads.total", workloads?.total, quotaName),
    maxReplicas: plain(workloads?.maxReplicas),
    maxApps: plain(workloads?.maxApps),
    requireRequests: read.list(
      "spec.workloads.pod.requireRequests",
      pod?.requireRequests,
      resourceOf,
      "no resource of a pod",
    ),
    requireLimits: read.list(
      "spec.workloads.pod.requireLimits",
      pod?.requireLimits,
      resourceOf,
      "no resource of a pod",
    ),
    podMax: read.amounts("spec.workloads.pod.max", pod?.max, podResource),
    defaultRequests: read.amounts("spec.workloads.pod.defaultRequests", pod?.defaultRequests, podResource),
    defaultLimits: read.amounts("spec.workloads.pod.defaultLimits", pod?.defaultLimits, podResource),
    storageClasses: read.list(
      "spec.workloads.storage.classes",
      storage?.classes,
      className,
      "no name of a StorageClass",
    ),
    storageMaxSize: read.quantity("spec.workloads.storage.maxSize", storage?.maxSize),
    podSecurity: read.word("spec.workloads.podSecurity", workloads?.podSecurity, ["baseline", "restricted"]),
    nodeSelector: read.labels("spec.workloads.nodeSelector", workloads?.nodeSelector),
    egress: read.list("spec.workloads.network.egress", network?.egress, egressOf, "no rule with a block of addresses"),
    whenViolated: read.word("spec.workloads.whenViolated", workloads?.whenViolated, ["Keep", "Stop"]),
    tunnelApps: plain(tunnels?.apps),
    services: read.list("spec.tunnels.services", tunnels?.services, serviceOf, "no rule with a namespace"),
    kubernetes: plain(tunnels?.kubernetes),
    tunnelApproval: read.word("spec.tunnels.approval", tunnels?.approval, ["Never", "FirstUse"]),
    tunnelApprovalLasts: read.duration("spec.tunnels.approvalLasts", tunnels?.approvalLasts),
    tunnelsUntil: read.time("spec.tunnels.until", tunnels?.until),
    logs: plain(pods?.logs),
    exec: plain(pods?.exec),
    files: plain(pods?.files),
  };
}

/** Reads fields one by one; what it cannot read it tells, and takes for not spoken of. */
class Reader {
  readonly #problems: Problems;

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  word<const W extends string>(path: string, value: string | undefined, words: readonly W[]): Said<W> {
    if (value === undefined) return undefined;
    const word = words.find((one) => one === value);
    if (word === undefined) this.#problems.add(path, `${JSON.stringify(value)} is none of ${words.join(", ")}`);
    return word === undefined ? undefined : { value: word, text: JSON.stringify(word) };
  }

  duration(path: string, value: string | undefined): Said<number> {
    if (value === undefined) return undefined;
    const ms = parseDuration(value);
    if (ms) return { value: ms, text: JSON.stringify(value) };
    this.#problems.add(path, `${JSON.stringify(value)} is no length of time, such as 8h or 30d`);
    return undefined;
  }

  time(path: string, value: string | undefined): Said<number> {
    if (value === undefined) return undefined;
    const ms = /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN;
    if (!Number.isNaN(ms)) return { value: ms, text: JSON.stringify(value) };
    this.#problems.add(path, `${JSON.stringify(value)} is no time, such as 2030-01-31T12:00:00Z`);
    return undefined;
  }

  quantity(path: string, value: Value | undefined): Said<Quantity> {
    if (value === undefined) return undefined;
    const quantity = readQuantity(value);
    const text = JSON.stringify(toJson(ValueSchema, value));
    if (quantity !== undefined && quantity >= 0n) return { value: quantity, text };
    this.#problems.add(
      path,
      `${text} is ${quantity === undefined ? "no quantity, such as 500m, 2 or 1Gi" : "less than nothing"}`,
    );
    return undefined;
  }

  amounts(path: string, values: { [name: string]: Value } | undefined, check: NameCheck): SaidMap<Quantity> {
    const read = new Map<string, Stated<Quantity>>();
    for (const [written, value] of Object.entries(values ?? {})) {
      const at = `${path}[${written}]`;
      const name = check(written);
      const said = this.quantity(at, value);
      if (name === undefined) this.#problems.add(at, "no resource that can be counted here");
      else if (read.has(name)) this.#problems.add(at, `is said twice, for it is ${name}`);
      else if (said) read.set(name, said);
    }
    return read;
  }

  labels(path: string, values: { [name: string]: string } | undefined): SaidMap<string> {
    const read = new Map<string, Stated<string>>();
    for (const [name, value] of Object.entries(values ?? {})) {
      if (labelName.test(name) && labelValue.test(value)) read.set(name, { value, text: JSON.stringify(value) });
      else this.#problems.add(`${path}[${name}]`, "no label that a node can have");
    }
    return read;
  }

  /** An empty list is not spoken of. */
  list<Item, T>(
    path: string,
    items: readonly Item[] | undefined,
    parse: (item: Item) => T | undefined,
    wrong: string,
  ): Said<readonly T[]> {
    if (!items || items.length === 0) return undefined;
    const read = items.flatMap((item, index) => {
      const value = parse(item);
      if (value === undefined) this.#problems.add(`${path}[${index}]`, `${JSON.stringify(plainly(item))} is ${wrong}`);
      return value === undefined ? [] : [value];
    });
    return { value: read, text: JSON.stringify(items.map(plainly)) };
  }
}

const labelName = /^(?:[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^(?:[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?$/;

function plain<T extends boolean | number>(value: T | undefined): Said<T> {
  return value === undefined ? undefined : { value, text: JSON.stringify(value) };
}

/** Without what only the message knows of itself. */
function plainly(item: unknown): unknown {
  if (typeof item !== "object" || item === null) return item;
  return JSON.parse(JSON.stringify(item, (key, value: unknown) => (key.startsWith("$") ? undefined : value)));
}

function resourceOf(name: string): string | undefined {
  return podResource(name);
}

function className(name: string): string | undefined {
  return /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name) ? name : undefined;
}

function egressOf({ cidr, ports }: EgressMessage): EgressRule | undefined {
  const block = parseCidr(cidr ?? "");
  if (!block) return undefined;
  const read: { port: number; endPort?: number; protocol: "TCP" | "UDP" }[] = [];
  for (const { port, endPort, protocol = "TCP" } of ports) {
    if (port === undefined || (protocol !== "TCP" && protocol !== "UDP")) return undefined;
    if (endPort !== undefined && endPort < port) return undefined;
    read.push({ port, protocol, ...(endPort === undefined ? {} : { endPort }) });
  }
  return { cidr: block, ports: read };
}

function serviceOf({ namespace, name, ports }: ServiceMessage): ServiceRule | undefined {
  if (namespace === undefined) return undefined;
  return { namespace, ...(name ? { name } : {}), ports };
}
