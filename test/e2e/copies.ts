/**
 * Where the pods of an app are, all the time: every host is watched, and as soon as a pod shows up at one of them the others are asked
 * whether they still have theirs. News of two clusters come in any order; what both say when they are asked afterwards is so.
 */
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createReflector } from "../../src/kube/reflector.ts";
import { type Pod, pods } from "../../src/kube/resources.ts";
import { labels } from "../../src/workloads/host/names.ts";

export interface WatchedHost {
  readonly name: string;
  readonly client: KubeClient;
  /** Where it runs what the origin asks for. */
  readonly namespace: string;
}

export interface Copies {
  /** The hosts at which there are pods of the app now, those included that are ending. */
  at(app: string): string[];
  /** At how many hosts at once there were pods of the app at most, since it was watched. */
  most(app: string): Promise<number>;
  /** What was seen, in order, for when it was not right. */
  readonly story: readonly string[];
  close(): Promise<void>;
}

export async function watchCopies(hosts: readonly WatchedHost[], signal: AbortSignal): Promise<Copies> {
  const story: string[] = [];
  const mosts = new Map<string, number>();
  let asking: Promise<void> = Promise.resolve();
  const watched = hosts.map((host) => {
    const { client, namespace } = host;
    return { host, seen: createReflector({ client, kind: pods, namespace, clock: systemClock, log: silentLog }) };
  });

  function podsOf(app: string): { host: WatchedHost; pod: Pod }[] {
    return watched.flatMap(({ host, seen }) =>
      seen.list().flatMap((pod) => (appOf(pod) === app ? [{ host, pod }] : [])),
    );
  }

  async function isThere(host: WatchedHost, pod: Pod): Promise<boolean> {
    const live = await host.client.get(pods, { namespace: host.namespace, name: pod.metadata.name ?? "" }, signal);
    return live !== undefined && live.metadata.uid === pod.metadata.uid;
  }

  /** Two looks at each: what is there both before and after all others were asked was there together with them. */
  async function count(app: string, all: readonly { host: WatchedHost; pod: Pod }[]): Promise<void> {
    const there = await Promise.all(all.map(({ host, pod }) => isThere(host, pod)));
    const still = await Promise.all(all.map(({ host, pod }) => isThere(host, pod)));
    const at = new Set(all.flatMap(({ host }, index) => (there[index] && still[index] ? [host.name] : [])));
    if (at.size > 1) story.push(`${app} is at ${[...at].join(" and ")} at once`);
    mosts.set(app, Math.max(mosts.get(app) ?? 0, at.size));
  }

  for (const { host, seen } of watched) {
    seen.subscribe((key, pod, before) => {
      const app = appOf(pod ?? before);
      if (pod && before && pod.metadata.uid === before.metadata.uid) return;
      story.push(`${new Date().toISOString()} ${host.name}: ${key} ${pod ? "came" : "is gone"}`);
      if (!pod) return;
      const all = podsOf(app);
      asking = asking.then(() => count(app, all));
      // Whoever asks for the number hears of a failure.
      asking.catch(() => undefined);
    });
  }
  await Promise.all(watched.map(({ seen }) => seen.synced(signal)));

  return {
    story,
    at: (app) => [...new Set(podsOf(app).map(({ host }) => host.name))].sort(),
    async most(app) {
      await asking;
      return mosts.get(app) ?? 0;
    },
    close: async () => void (await Promise.all(watched.map(({ seen }) => seen.close()))),
  };
}

/** A Workload is named after its app, with a hash behind it. */
function appOf(pod: Pod | undefined): string {
  return (pod?.metadata.labels?.[labels.workload] ?? "").replace(/-[0-9a-f]{10}$/, "");
}
