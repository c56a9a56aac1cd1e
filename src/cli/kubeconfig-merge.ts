/** A peer's API in somebody's kubeconfig. What else is there stays as it is, comments too. Pure. */
import { isDeepStrictEqual } from "node:util";
import { type Document, isMap, isSeq, parse, parseDocument, YAMLSeq } from "yaml";
import { CliError, exitCode } from "./errors.ts";

/** One context of a kubeconfig. */
export interface KubeconfigEntry {
  /** Of the context, and of its cluster and user. */
  readonly name: string;
  readonly cluster: Readonly<Record<string, unknown>>;
  readonly user: Readonly<Record<string, unknown>>;
}

/** What kubectl runs, or whether a token stands in its place. */
export type AskedUser = { readonly command: string; readonly args: readonly string[] } | "token";

export interface AskedEntry {
  /** Of the context. */
  readonly name: string;
  readonly peer: string;
  /** Where the console is reached; empty where the agent was to say it. */
  readonly door: string;
  readonly user: AskedUser;
}

/**
 * What an agent has answered, if it is what was asked for and nothing more: a kubeconfig makes kubectl run programs, and which, no agent decides.
 * Throws a `CliError` for any other.
 */
export function readAnswer(text: string, asked: AskedEntry): KubeconfigEntry {
  const { name } = asked;
  const file: unknown = parse(text);
  const cluster = namedIn(file, "clusters", name, "cluster");
  const user = namedIn(file, "users", name, "user");
  const isRight =
    isAtDoor(cluster, asked) &&
    hasOnly(cluster, ["server", "certificate-authority-data", "tls-server-name"]) &&
    (asked.user === "token" ? isOurUser(user) && hasOnly(user, ["token"]) : runsOnly(user, asked.user));
  if (isRight && isObject(cluster) && isObject(user)) return { name, cluster, user };
  throw new CliError("the agent answered with a kubeconfig that is not what was asked for; it is not used");
}

function namedIn(file: unknown, list: string, name: string, key: string): unknown {
  const items = isObject(file) ? file[list] : undefined;
  const [found, ...more] = Array.isArray(items) ? items : [];
  return more.length === 0 && isObject(found) && found.name === name ? found[key] : undefined;
}

function isAtDoor(cluster: unknown, { peer, door }: AskedEntry): boolean {
  if (!isObject(cluster) || typeof cluster.server !== "string") return false;
  const path = `/peers/${peer}/kubernetes`;
  if (door === "") return cluster.server.startsWith("https://") && cluster.server.endsWith(path);
  return cluster.server === URL.parse(door.replace(/\/+$/, "") + path)?.href;
}

function hasOnly(value: unknown, keys: readonly string[]): boolean {
  return isObject(value) && Object.keys(value).every((key) => keys.includes(key));
}

function runsOnly(user: unknown, { command, args }: Exclude<AskedUser, "token">): boolean {
  if (!isObject(user) || !hasOnly(user, ["exec"]) || !isObject(user.exec)) return false;
  const { exec } = user;
  const known = ["apiVersion", "command", "args", "installHint", "interactiveMode", "provideClusterInfo"];
  return hasOnly(exec, known) && isDeepStrictEqual([exec.command, exec.args], [command, [...args]]);
}

/** The file's text with the entry in it; `use` makes it the current context. Throws a `CliError` when something else is there by that name, or the text is no kubeconfig. */
export function mergeKubeconfig(text: string, entry: KubeconfigEntry, o: { readonly use: boolean }): string {
  const isEmpty = text.split("\n").every((line) => /^\s*(#.*|---\s*)?$/.test(line));
  const file = parseDocument(
    isEmpty ? `${text.replace(/\n*$/, text === "" ? "" : "\n")}apiVersion: v1\nkind: Config\n` : text,
  );
  if (file.errors.length > 0 || !isMap(file.contents)) {
    throw new CliError("the file is no kubeconfig, and is left as it is", { code: exitCode.usage, hint: "--stdout" });
  }
  const { name, cluster, user } = entry;
  put(file, "clusters", name, "cluster", isOurCluster, cluster);
  put(file, "users", name, "user", isOurUser, user);
  put(file, "contexts", name, "context", (value) => isObject(value) && value.cluster === name && value.user === name, {
    cluster: name,
    user: name,
  });
  if (o.use || !file.get("current-context")) file.set("current-context", name);
  return file.toString({ lineWidth: 0 });
}

function put(
  file: Document,
  list: string,
  name: string,
  key: string,
  isOurs: (value: unknown) => boolean,
  value: Readonly<Record<string, unknown>>,
): void {
  let items = file.get(list);
  if (!isSeq(items)) {
    items = new YAMLSeq();
    file.set(list, items);
  }
  if (!isSeq(items)) return;
  items.flow = false;
  const at = items.items.findIndex((item) => isMap(item) && item.get("name") === name);
  if (at < 0) {
    items.add(file.createNode({ name, [key]: value }));
    return;
  }
  const found = items.items[at];
  const known: unknown = isMap(found) ? found.toJSON() : undefined;
  if (!isObject(known) || !isOurs(known[key])) {
    throw new CliError(`the kubeconfig has ${list} of its own called ${name}, which are left as they are`, {
      code: exitCode.failed,
      hint: "--name OTHER",
    });
  }
  // A namespace that somebody has set stays.
  const before = known[key];
  const kept = key === "context" && isObject(before) ? { ...before, ...value } : value;
  if (isMap(found)) found.set(key, file.createNode(kept));
}

function isOurCluster(value: unknown): boolean {
  return isObject(value) && typeof value.server === "string" && /\/peers\/[^/]+\/kubernetes$/.test(value.server);
}

function isOurUser(value: unknown): boolean {
  if (!isObject(value)) return false;
  if (typeof value.token === "string") return value.token.startsWith("flk_");
  if (!isObject(value.exec)) return false;
  const { args } = value.exec;
  return Array.isArray(args) && args[0] === "kube-token";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
