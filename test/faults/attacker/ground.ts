/**
 * Where the attacks take place: a whole agent on its cluster, the host; two honest agents, alice and bob, each with an app there
 * that answers; and mallory, who was paired like them.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../../src/base/log.ts";
import { buildTown, type Town } from "../../../src/demo/town.ts";
import type { JsonObject } from "../../../src/kube/object.ts";
import { deployments, peerPolicies, type Workload, workloads } from "../../../src/kube/resources.ts";
import { annotations } from "../../../src/workloads/host/names.ts";
import { run } from "../../cli/world.ts";
import { patience, until } from "../../patience.ts";
import { agentNamespace, openPolicy, writePolicy } from "../../policy/open-policy.ts";
import { Attacker } from "./attacker.ts";
import { AuditTrail } from "./audit-trail.ts";
import { type ClusterState, readCluster } from "./cluster-state.ts";

/** Kinds of which the host keeps objects in a peer's namespace for its own sake. */
const guards = new Set([
  "serviceaccounts",
  "resourcequotas",
  "limitranges",
  "networkpolicies",
  "rolebindings",
  "events",
  "endpointslices",
]);
const honest = new Set(["peers fairlead-system/alice", "peers fairlead-system/bob"]);
/** The label by which the attacker's policy selects it; its operator here gave it with the invite. */
const label = { trust: "none" };
/** An honest request takes some milliseconds; with an attack under way on two busy cores it may take this long. */
const servedWithinMs = 30_000;

export class Ground {
  readonly host: Town;
  readonly alice: Town;
  readonly bob: Town;
  readonly audit: AuditTrail;
  /** UIDs at their origins: of alice's app, and of an app that runs for bob and that bob no longer knows. */
  readonly aliceApp: string;
  readonly bobOrphan: string;
  /** The name of the pod of alice's app. */
  readonly alicePod: string;

  /** Who attacks now: each attack is made by an agent of its own, so that none is stopped by what an earlier one did. */
  mallory: Attacker;
  /** What the host calls it. */
  name = "";
  #count = 0;

  constructor(
    towns: Record<"host" | "alice" | "bob", Town>,
    audit: AuditTrail,
    found: Pick<Ground, "aliceApp" | "bobOrphan" | "alicePod" | "mallory">,
  ) {
    this.aliceApp = found.aliceApp;
    this.bobOrphan = found.bobOrphan;
    this.alicePod = found.alicePod;
    this.mallory = found.mallory;
    this.host = towns.host;
    this.alice = towns.alice;
    this.bob = towns.bob;
    this.audit = audit;
  }

  get signal(): AbortSignal {
    return patience();
  }

  /** Where the host is, for one more agent. */
  get address(): { url: string; fingerprint: string } {
    return { url: `ws://127.0.0.1:${this.host.agent.ports.link}/link`, fingerprint: this.host.agent.fingerprint };
  }

  /** Where its apps are. */
  get namespace(): string {
    return `fairlead-peer-${this.name}`;
  }

  /** One more attacker, paired as anybody is. */
  async enter(): Promise<void> {
    this.#count += 1;
    this.name = `mallory-${this.#count}`;
    this.mallory = await Attacker.make(this.address);
    const { line } = await this.host.client.peers.createInvite({ name: this.name, grants: ["apps"], labels: label });
    await this.mallory.join(line);
  }

  /** It goes, with all that it had. */
  async leave(): Promise<void> {
    const { client, peers } = { client: this.host.kube.client, peers: this.host.client.peers };
    await this.mallory.close();
    await client.delete(peerPolicies, policyRef, {}, this.signal);
    await peers.removePeer({ name: this.name, deleteWorkloads: true });
    await until("nothing of the attacker's runs", async () => {
      const { namespace, signal } = this;
      const left = [
        ...(await client.list(workloads, { namespace }, signal)).items,
        ...(await client.list(deployments, { namespace }, signal)).items,
      ];
      return left.length === 0;
    });
  }

  /** All that is not an attacker's, byte for byte. */
  async others(): Promise<ClusterState> {
    const all = await readCluster(this.host.kube.requests, this.signal);
    return new Map([...all].filter(([key]) => !isOfAttackers(key)));
  }

  /** The kinds of what runs for the attacker, or was kept for it. What guards its namespace is the host's. */
  async mallorys(): Promise<string[]> {
    const all = await readCluster(this.host.kube.requests, this.signal);
    const theirs = [...all.keys()].filter((key) => key.includes(` ${this.namespace}/`));
    const made = theirs.filter((key) => !key.endsWith("/kube-root-ca.crt")).map((key) => key.split(" ")[0] ?? "");
    return [...new Set(made)].filter((kind) => !guards.has(kind));
  }

  /** How many Workloads of the attacker's are stored. */
  async held(): Promise<number> {
    const { namespace, signal } = this;
    return (await this.host.kube.client.list(workloads, { namespace }, signal)).items.length;
  }

  /** Fails unless the apps of both honest peers answer, each in time. */
  async serves(): Promise<void> {
    for (const town of [this.alice, this.bob]) {
      const url = `${town.consoleUrl}/apps/default/${town.name}/http/`;
      const headers = { authorization: `Bearer ${town.token}` };
      const answer = await fetch(url, { headers, signal: AbortSignal.timeout(servedWithinMs) });
      await answer.arrayBuffer();
      if (answer.status !== 200) throw new Error(`The app of ${town.name} answers ${answer.status}.`);
    }
  }

  /** What the host's operator does with `fairlead`. */
  command(args: readonly string[]): Promise<void> {
    return command(this.host, args);
  }

  /** What the attacker may do here from now on; resolves when it counts. */
  async policy(spec: JsonObject): Promise<void> {
    const { client } = this.host.kube;
    await writePolicy(client, policyRef.name, { peers: { matchLabels: label }, ...spec });
    await until("the policy counts", async () => {
      const policy = await client.get(peerPolicies, policyRef, this.signal);
      return policy?.status?.observedGeneration === policy?.metadata.generation;
    });
  }

  /** A value of the host's own metrics. */
  async metric(name: string): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.host.agent.ports.telemetry}/metrics`, { signal: this.signal });
    const line = (await answer.text()).split("\n").find((one) => one.startsWith(`fairlead_${name} `));
    if (line === undefined) throw new Error(`The host has no metric ${name}.`);
    return Number(line.split(" ")[1]);
  }
}

/** Builds it all up; `close` takes it down. */
export async function startGround(): Promise<{ ground: Ground; close(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  const ends: (() => Promise<void>)[] = [() => rm(directory, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const audit = new AuditTrail();
    const common = { directory, firstPort: 0, version: "0.0.1" };
    const build = async (name: string, o: { processes: boolean; log: typeof silentLog }): Promise<Town> => {
      const town = await buildTown({ ...common, name, ...o }, AbortSignal.timeout(60_000));
      ends.push(() => town.close());
      return town;
    };
    const host = await build("host", { processes: true, log: audit.log });
    await openPolicy(host.kube.client);
    const honest = { processes: false, log: silentLog };
    const [alice, bob] = await Promise.all([build("alice", honest), build("bob", honest)]);
    await Promise.all([alice, bob].map((town) => introduce(host, town)));
    const [ofAlice, , bobOrphan] = await Promise.all([deploy(host, alice), deploy(host, bob), leaveOrphan(host, bob)]);
    const mallory = await Attacker.make({ url: "", fingerprint: host.agent.fingerprint });
    const found = { aliceApp: ofAlice.uid, alicePod: ofAlice.pod, bobOrphan, mallory };
    return { ground: new Ground({ host, alice, bob }, audit, found), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** An honest peer joins as its operator would have it. */
async function introduce(host: Town, town: Town): Promise<void> {
  const { line } = await host.client.peers.createInvite({ name: town.name, grants: ["apps"] });
  await command(town, ["join", line]);
}

/** An app of an honest peer's, by the peer's own name. Resolves when nothing about it changes any more by itself. */
async function deploy(host: Town, town: Town): Promise<{ uid: string; pod: string }> {
  const image = "fairlead.dev/demo-web:1";
  await command(town, [
    "app",
    "deploy",
    town.name,
    "--peer",
    "host",
    "--image",
    image,
    "--port",
    "http:8080",
    "--wait",
  ]);
  return until(`the app of ${town.name} is known as ready in the host's cluster`, async () => {
    const status = (await workloadOf(host, town, town.name))?.status;
    const uid = (await workloadOf(host, town, town.name))?.spec.origin?.uid;
    return status?.phase === "Ready" && uid !== undefined && { uid, pod: status.pods[0]?.name ?? "" };
  });
}

/** An app of an honest peer's that counts as an orphan, as after a restored backup. */
async function leaveOrphan(host: Town, town: Town): Promise<string> {
  await command(town, ["app", "deploy", "lost", "--peer", "host", "--image", "fairlead.dev/once:1", "--replicas", "0"]);
  const { namespace, name = "" } = await until("it is at the host", async () => {
    const workload = await workloadOf(host, town, "lost");
    return workload?.status?.phase === "Ready" && workload.metadata;
  });
  const mark = { [annotations.orphanedSince]: new Date().toISOString() };
  await host.kube.client.mergePatch(workloads, { namespace, name }, { metadata: { annotations: mark } }, patience());
  return until("it is an orphan there", async () => {
    const orphan = await workloadOf(host, town, "lost");
    return orphan?.status?.phase === "Orphaned" && orphan.spec.origin?.uid;
  });
}

async function workloadOf(host: Town, town: Town, name: string): Promise<Workload | undefined> {
  const { items } = await host.kube.client.list(workloads, { namespace: `fairlead-peer-${town.name}` }, patience());
  return items.find(({ spec }) => spec.origin?.name === name);
}

async function command(town: Town, args: readonly string[]): Promise<void> {
  const ran = await run(town, args);
  if (ran.code !== 0) throw new Error(`fairlead ${args.join(" ")}: ${ran.err}`);
}

const policyRef = { namespace: agentNamespace, name: "mallory" };

/**
 * What is an attacker's own, and what the host writes whatever anybody does: its audit and notifications, its invites, events. Peers come and go with
 * attacks; one that was removed leaves a record, which keeps its name.
 */
function isOfAttackers(key: string): boolean {
  return (
    / \/?fairlead-peer-(mallory-\d+|carol|dave)(\/|$)/.test(key) ||
    (key.startsWith("peers ") && !honest.has(key)) ||
    key === `peerpolicies ${agentNamespace}/${policyRef.name}` ||
    /^(configmaps fairlead-system\/fairlead-(audit-|notifications)|secrets fairlead-system\/fairlead-invite-|events )/.test(
      key,
    )
  );
}
