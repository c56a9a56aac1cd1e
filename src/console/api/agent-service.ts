/** `AgentService`: who this agent is, how it is and set up, what it can do, and what it says in its log. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { startDeadline } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import type { TestedStep } from "../../doctor/test-connection.ts";
import {
  type AgentService,
  type Component,
  ComponentSchema,
  FeatureSchema,
  type PeerVersion,
  TestConnectionResponseSchema,
} from "../../gen/fairlead/console/v1/agent_service_pb.ts";
import type { HealthCheck, HealthReport } from "../../telemetry/health.ts";
import { viewOf } from "../access/decide.ts";
import { principalKey } from "../auth/principal.ts";
import { tryLater } from "../try-later.ts";
import { type KeptLog, readLog } from "./agent-log.ts";
import type { Listing } from "./listing.ts";
import { featureList, settingList, versionList } from "./lists.ts";

export interface AgentServiceDeps {
  /** What stays as long as the process. */
  readonly about: {
    readonly name: string;
    readonly fingerprint: string;
    readonly version: string;
    readonly instance: string;
    readonly startedAt: string;
    readonly namespace: string;
    readonly kubernetesVersion: string;
  };
  /** The URL at which peers can dial this agent; empty without one. */
  url(): string;
  /** Of what has to do with such peers; it is asked with "" for what has to do with none. */
  counts(view: (peer: string) => boolean): {
    readonly peers: number;
    readonly peersConnected: number;
    readonly apps: number;
    readonly appsReady: number;
    readonly workloads: number;
  };
  settings(): readonly { name: string; value: string; source: string; description: string }[];
  health(): HealthReport;
  features(): readonly { name: string; enabled: boolean; description: string; setting: string }[];
  /** Of each peer. */
  versions(): PeerVersion[];
  /** Goes the way there, step by step. Throws when there is no such peer, or no way to it. */
  testConnection(
    to: { readonly peer: string } | { readonly invite: string },
    signal: AbortSignal,
  ): AsyncIterable<TestedStep>;
  /** The agent's own. */
  readonly ownLog: KeptLog;
  readonly clock: Clock;
}

/** Tests that go on at a time, and how long each may take, in milliseconds. */
const testsAtOnce = 2;
const longestTestMs = 30_000;

export function createAgentService(deps: AgentServiceDeps, listing: Listing): ServiceImpl<typeof AgentService> {
  let tests = 0;

  return {
    getInfo: (_request, { values }) => {
      return { ...deps.about, url: deps.url(), ...deps.counts(viewOf(values.get(principalKey))) };
    },

    listSettings(request) {
      const { items, ...page } = listing(settingList, deps.settings(), request);
      return { ...page, settings: items.map((setting) => ({ ...setting })) };
    },

    getHealth() {
      const { ok, checks } = deps.health();
      return { ok, components: checks.map(toComponent) };
    },

    listFeatures(request) {
      const { items, ...page } = listing(featureList, deps.features(), request);
      return { ...page, features: items.map((feature) => create(FeatureSchema, feature)) };
    },

    listPeerVersions(request, { values }) {
      const view = viewOf(values.get(principalKey));
      const all = deps.versions().filter(({ peer }) => view(peer));
      const { items, ...page } = listing(versionList, all, request);
      return { ...page, peerVersions: items };
    },

    async *testConnection({ peer, invite }, { signal }) {
      if (tests >= testsAtOnce) throw tooMany();
      const late = (): Error => new ConnectError("the test took too long and was ended", Code.DeadlineExceeded);
      const deadline = startDeadline(deps.clock, longestTestMs, late, signal);
      tests += 1;
      try {
        for await (const step of deps.testConnection(peer === "" ? { invite } : { peer }, deadline.signal)) {
          yield create(TestConnectionResponseSchema, { ...step, tookMs: BigInt(Math.round(step.tookMs)) });
        }
      } finally {
        tests -= 1;
        deadline.cancel();
      }
    },

    readLog: (request, { signal }) => readLog(deps.ownLog, request, signal),
  };
}

export function toComponent({ work, ...check }: HealthCheck): Component {
  return create(ComponentSchema, {
    ...check,
    ...(work && { oldestWorkMs: BigInt(Math.round(work.oldestMs)), limitMs: BigInt(work.limitMs) }),
  });
}

function tooMany(): ConnectError {
  const message = `${testsAtOnce} tests of connections go on already; try again when one has ended`;
  return tryLater(message, { seconds: longestTestMs / 1_000 });
}
