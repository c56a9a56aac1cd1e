/** Two sessions: at one end pods in which programs are played, at the other who runs them. */
import { silentLog } from "../../src/base/log.ts";
import { Queue } from "../../src/base/queue.ts";
import { PodService } from "../../src/gen/fairlead/peer/v1/pods_pb.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import type { ExecOptions, ProgramEvent, RunningProgram } from "../../src/kube/exec.ts";
import type { Pod } from "../../src/kube/resources.ts";
import type { PeeringAuditEntry } from "../../src/peering/audit-entry.ts";
import { createStreamRecord } from "../../src/peering/stream-record.ts";
import { createExec } from "../../src/pods/exec-service.ts";
import { createFiles } from "../../src/pods/files-service.ts";
import type { UsePodDeps } from "../../src/pods/use-pod.ts";
import { type PodUse, PodUses } from "../../src/pods/uses.ts";
import type { ReachPermission } from "../../src/policy/reach.ts";
import { createRpcServer } from "../../src/rpc/server.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import { streamName } from "../../src/wire/stream-name.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { openPair } from "../wire/pair.ts";

export const fingerprint = "0a".repeat(32);

/** A program as the test plays it. */
export class PlayedProgram implements RunningProgram {
  readonly events = new Queue<ProgramEvent>(1_000);
  readonly options: ExecOptions;
  readonly pod: string;
  readonly written: Buffer[] = [];
  readonly sizes: string[] = [];
  inputEnded = false;
  closed = false;
  /** What `endInput` fails with. */
  endless: Error | undefined;

  constructor(pod: string, options: ExecOptions) {
    this.pod = pod;
    this.options = options;
  }

  async write(data: Uint8Array): Promise<void> {
    this.written.push(Buffer.from(data));
  }

  async endInput(): Promise<void> {
    if (this.endless) throw this.endless;
    this.inputEnded = true;
  }

  async resize(columns: number, rows: number): Promise<void> {
    this.sizes.push(`${columns}x${rows}`);
  }

  close(): void {
    this.closed = true;
    this.events.close(new Error("closed"));
  }

  say(text: string | Uint8Array, kind: "output" | "error-output" = "output"): void {
    this.events.push({ kind, data: Buffer.from(text) });
  }

  exit(code: number, message = ""): void {
    this.events.push({ kind: "exit", code, message });
    this.events.close();
  }
}

export async function openPrograms() {
  const pods: Pod[] = [];
  const programs: PlayedProgram[] = [];
  const apps = new Map([[`${fingerprint}/shop/web`, { namespace: "fairlead-peer-here", selector: { app: "web" } }]]);
  const audited: { host: PeeringAuditEntry[]; origin: PeeringAuditEntry[] } = { host: [], origin: [] };
  const record = (into: PeeringAuditEntry[]) =>
    createStreamRecord({ audit: { record: (entry) => into.push(entry) }, clock: createFakeClock() });
  const uses = new PodUses({
    findApp: (owner, { namespace, name }) => apps.get(`${owner}/${namespace}/${name}`),
    permit: (_user, use) => world.permission(use),
    record: record(audited.host),
    log: silentLog,
  });
  const client: Pick<KubeClient, "list"> = {
    // The kind that is asked for is that of pods.
    list: async <T>() => ({ items: pods as T[], resourceVersion: "1" }),
  };
  const deps = {
    uses,
    client,
    exec: async ({ name }: { name: string }, options: ExecOptions): Promise<RunningProgram> => {
      if (world.failure) throw world.failure;
      const program = new PlayedProgram(name, options);
      programs.push(program);
      world.play(program);
      return program;
    },
  };
  const service = { exec: createExec(deps), ...createFiles(deps) };
  const server = createRpcServer({ routes: (router) => void router.service(PodService, service) });
  const caller = { fingerprint, guest: false, peer: "here", grants: ["apps"], caPem: "" };
  const priorities: number[] = [];
  const pair = await openPair({
    acceptHigh(incoming) {
      if (incoming.kind !== "rpc") return;
      priorities.push(incoming.priority);
      void server.serve(incoming, { ...caller, correlation: streamName(pair.high, incoming.stream.id) });
    },
  });
  const origin: UsePodDeps = {
    transport: createLinkTransport(pair.low),
    peer: "there",
    record: record(audited.origin),
  };
  const world = {
    pods,
    programs,
    audited,
    caller,
    uses,
    origin,
    priorities,
    pair,
    permission: (_use: PodUse): ReachPermission => ({ allowed: true }),
    /** What starting a program fails with. */
    failure: undefined as Error | undefined,
    play: (_program: PlayedProgram): void => undefined,
    async [Symbol.asyncDispose]() {
      await server.close();
      await pair.close();
    },
  };
  pods.push(podNamed("web-1"));
  return world;
}

export function podNamed(
  name: string,
  o: { ready?: boolean; leaving?: boolean; containers?: readonly string[]; running?: readonly string[] } = {},
): Pod {
  const { ready = true, leaving = false, containers = ["app", "side"], running = containers } = o;
  const statusOf = (container: string) => ({
    name: container,
    restartCount: 0,
    image: "x",
    imageID: "x",
    ready,
    state: running.includes(container) ? { running: {} } : { waiting: { reason: "CrashLoopBackOff" } },
  });
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, uid: `uid-${name}`, ...(leaving && { deletionTimestamp: "2026-11-21T12:00:00Z" }) },
    spec: { containers: containers.map((container) => ({ name: container })) },
    status: {
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      containerStatuses: containers.map(statusOf),
    },
  };
}
