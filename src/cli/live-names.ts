/** The names that a word of a command line may be, as the agent knows them at this moment. */
import type { App } from "../gen/fairlead/console/v1/app_service_pb.ts";
import type { Asked, Candidate } from "./complete.ts";
import type { Connection } from "./context.ts";
import { formats } from "./output.ts";
import { namedPeer } from "./peer-name.ts";

/** What a word names. */
type Subject =
  | "app"
  | "peer"
  | "namespace"
  | "pod"
  | "container"
  | "port"
  | "place"
  | "policy"
  | "notification"
  | "inbox"
  | "invite"
  | "orphan"
  | "orphan at a peer"
  | "revision"
  | "forward"
  | "connection"
  | "user"
  | "token"
  | "session"
  | "role"
  | "target"
  | "grant"
  | "format"
  | "shell"
  | "file"
  /** Anything: nobody can say what. */
  | "free";

const words: Readonly<Partial<Record<Subject, readonly string[]>>> = {
  format: formats,
  grant: ["apps", "tunnels", "kubectl", "deliveries", "relay", "none"],
  role: ["viewer", "operator", "admin"],
};

/** By the first word of the command, and the name of the argument. */
const byArgument: Readonly<Record<string, Readonly<Record<string, Subject>>>> = {
  app: { name: "app", names: "app", port: "port", from: "place", to: "place", command: "free" },
  peer: { name: "peer", relays: "peer", grants: "grant", labels: "free" },
  policy: { name: "policy", peer: "peer" },
  inbox: { name: "inbox" },
  notification: { id: "notification", ids: "notification" },
  invite: { id: "invite" },
  doctor: { peer: "peer" },
  agent: { peer: "peer" },
  orphan: { uid: "orphan at a peer", workload: "orphan" },
  join: { invite: "free" },
  forward: { peer: "peer", target: "target", listen: "target", name: "forward", names: "forward", ports: "free" },
  target: { peer: "peer", target: "target" },
  connection: { peer: "peer", ids: "connection" },
  kubeconfig: { peer: "peer" },
  "kube-token": { peer: "peer" },
  user: { name: "user" },
  token: { name: "free", token: "token" },
  session: { id: "session" },
};

/** By its long name, wherever it stands; others take what nobody can say. */
const byOption: Readonly<Record<string, Subject>> = {
  namespace: "namespace",
  peer: "peer",
  relay: "peer",
  at: "peer",
  pod: "pod",
  container: "container",
  port: "port",
  grant: "grant",
  output: "format",
  role: "role",
  revision: "revision",
  "to-revision": "revision",
  file: "file",
  kubeconfig: "file",
  config: "file",
};

/** Undefined for an argument that nobody has thought of. */
export function subjectOf({
  command,
  name,
  isOption,
}: Pick<Asked, "command" | "name" | "isOption">): Subject | undefined {
  if (isOption) return byOption[name] ?? "free";
  return byArgument[command[0] ?? ""]?.[name];
}

/** Whether files of this machine may stand there. */
export function takesFiles(asked: Asked): boolean {
  return ["file", "place"].includes(subjectOf(asked) ?? "");
}

/** Those that need no agent; undefined when one has to be asked. */
export function knownNames(asked: Asked): readonly Candidate[] | undefined {
  const subject = subjectOf(asked) ?? "free";
  if (subject === "free" || subject === "file") return [];
  return words[subject]?.map((word) => ({ word }));
}

/** Asks the agent. Rejects as its calls do. */
export async function liveNames(
  asked: Asked,
  { client, namespace: ours }: Pick<Connection, "client" | "namespace">,
  signal: AbortSignal,
): Promise<Candidate[]> {
  const call = { signal };
  const namespace = asked.options.namespace ?? ours;
  const appsOf = async (where: string): Promise<App[]> => (await client.apps.listApps({ namespace: where }, call)).apps;
  const theApp = async (): Promise<App | undefined> => {
    const [name = ""] = asked.before;
    return name === "" ? undefined : (await client.apps.getApp({ ref: { namespace, name } }, call)).app;
  };
  switch (subjectOf(asked)) {
    case "app":
      return (await appsOf(namespace)).map(nameOf);
    case "place":
      return (await appsOf(namespace)).map((app) => ({ ...nameOf(app), word: `${nameOf(app).word}:` }));
    case "namespace":
      return [...new Set((await appsOf("")).map(({ metadata }) => metadata?.namespace ?? ""))].map((word) => ({
        word,
      }));
    case "peer":
      return (await client.peers.listPeers({}, call)).peers.map(({ metadata, status }) => ({
        word: metadata?.name ?? "",
        about: status?.link?.state,
      }));
    case "pod":
      return ((await theApp())?.status?.pods ?? []).map(({ name, phase }) => ({ word: name ?? "", about: phase }));
    case "container":
      return containersOf(await theApp());
    case "port":
      return ((await theApp())?.spec?.ports ?? []).map(({ name, containerPort }) => ({
        word: String(containerPort ?? ""),
        about: name,
      }));
    case "policy":
      return (await client.policies.listPolicies({}, call)).policies.map(({ metadata }) => ({
        word: metadata?.name ?? "",
      }));
    case "notification":
      return (await client.notifications.listNotifications({}, call)).notifications.map(({ id, summary }) => ({
        word: id,
        about: summary,
      }));
    case "inbox":
      return (await client.inbox.listInbox({}, call)).items.map(({ name, subject }) => ({
        word: name,
        about: subject,
      }));
    case "invite":
      return (await client.peers.listInvites({}, call)).invites.map(({ id, name }) => ({ word: id, about: name }));
    case "orphan": {
      if (asked.options.at !== undefined) {
        return (await client.apps.listOrphansAtPeers({}, call)).orphansAtPeers.map(({ uid }) => ({ word: uid }));
      }
      return (await client.apps.listOrphans({}, call)).orphans.map(({ workload }) => ({
        word: `${workload?.namespace}/${workload?.name}`,
      }));
    }
    case "orphan at a peer":
      return (await client.apps.listOrphansAtPeers({}, call)).orphansAtPeers.map(({ uid, peer }) => ({
        word: uid,
        about: peer,
      }));
    case "revision": {
      const [name = ""] = asked.before;
      const { revisions } = await client.apps.listAppRevisions({ ref: { namespace, name } }, call);
      return revisions.map(({ number, cause }) => ({ word: String(number), about: cause }));
    }
    case "forward":
      return (await client.tunnels.listForwards({ namespace }, call)).forwards.map(({ metadata, status }) => ({
        word: metadata?.name ?? "",
        about: status?.phase,
      }));
    case "connection":
      return (await client.tunnels.listConnections({ peer: asked.before[0] ?? "" }, call)).connections.map(
        ({ id, target }) => ({ word: id, about: target }),
      );
    case "user":
      return (await client.access.listUsers({}, call)).users.map(({ name }) => ({ word: name }));
    case "token":
      return (await client.access.listTokens({}, call)).tokens.map(({ id, name }) => ({ word: id, about: name }));
    case "session":
      return (await client.access.listBrowserSessions({}, call)).browserSessions.map(({ id, user }) => ({
        word: id,
        about: user,
      }));
    case "target": {
      // That which is to be made has its own name first.
      const peer = namedPeer(asked.before[asked.command[1] === "create" ? 1 : 0] ?? "");
      if (peer === "") return [];
      const { targets } = await client.tunnels.listTargets({ peer }, call);
      return targets.map(({ target, portName, appProtocol }) => ({ word: target, about: portName || appProtocol }));
    }
    default:
      return [];
  }
}

function nameOf({ metadata, status }: App): Candidate {
  return { word: metadata?.name ?? "", about: status?.phase };
}

function containersOf(app: App | undefined): Candidate[] {
  if (!app?.spec) return [];
  const { containers, initContainers } = app.spec;
  return [{ word: "app" }, ...[...containers, ...initContainers].map(({ name }) => ({ word: String(name ?? "") }))];
}
