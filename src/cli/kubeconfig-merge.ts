/** A peer's API in somebody's kubeconfig. What else is there stays as it is, comments too. Pure. */
import { type Document, isMap, isSeq, parseDocument, YAMLSeq } from "yaml";
import { CliError, exitCode } from "./errors.ts";

export interface KubeconfigEntry {
  /** Of the context, and of its cluster and user. */
  readonly name: string;
  readonly server: string;
  /** PEM; empty where the machine's own roots will do. */
  readonly caPem: string;
  /** The name in the certificate, where it is not that of the server's address. */
  readonly serverName: string;
  /** What prints tokens, or a token that counts for a while. */
  readonly user: { readonly command: string; readonly args: readonly string[] } | { readonly token: string };
  /** Makes it the current context. */
  readonly use: boolean;
}

/** The file's text with the entry in it. Throws a `CliError` when something else is there by that name, or the text is no kubeconfig. */
export function mergeKubeconfig(text: string, entry: KubeconfigEntry): string {
  const isEmpty = text.split("\n").every((line) => /^\s*(#.*|---\s*)?$/.test(line));
  const file = parseDocument(
    isEmpty ? `${text.replace(/\n*$/, text === "" ? "" : "\n")}apiVersion: v1\nkind: Config\n` : text,
  );
  if (file.errors.length > 0 || !isMap(file.contents)) {
    throw new CliError("the file is no kubeconfig, and is left as it is", { code: exitCode.usage, hint: "--stdout" });
  }
  const { name } = entry;
  put(file, "clusters", name, "cluster", isOurCluster, {
    server: entry.server,
    ...(entry.caPem !== "" && { "certificate-authority-data": Buffer.from(entry.caPem).toString("base64") }),
    ...(entry.serverName !== "" && { "tls-server-name": entry.serverName }),
  });
  put(file, "users", name, "user", isOurUser, userOf(entry.user));
  put(file, "contexts", name, "context", (value) => isObject(value) && value.cluster === name && value.user === name, {
    cluster: name,
    user: name,
  });
  if (entry.use || !file.get("current-context")) file.set("current-context", name);
  return file.toString({ lineWidth: 0 });
}

function userOf(user: KubeconfigEntry["user"]): Record<string, unknown> {
  if ("token" in user) return { token: user.token };
  return {
    exec: {
      apiVersion: "client.authentication.k8s.io/v1",
      command: user.command,
      args: [...user.args],
      installHint: "The fairlead command must be on the PATH.",
      interactiveMode: "Never",
      provideClusterInfo: false,
    },
  };
}

function put(
  file: Document,
  list: string,
  name: string,
  key: string,
  isOurs: (value: unknown) => boolean,
  value: Record<string, unknown>,
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
