/** Everything that an agent does to keep the history of an app, on a real cluster: it needs each of its rights to ControllerRevisions. */
import assert from "node:assert/strict";
import type { InstalledAgent } from "./installed.ts";
import { until } from "./until.ts";

interface Revision {
  metadata: { name: string };
  revision: number;
  data: { spec: { env?: { value: string }[] } };
}

/** `manifest` makes the RemoteApp `name` in `namespace`, of any peer. What is to come at once has `seconds`. */
export async function historyIsKept(o: {
  origin: InstalledAgent;
  namespace: string;
  name: string;
  manifest(name: string, spec: object): string;
  seconds: number;
}): Promise<void> {
  const { origin, namespace, name, seconds } = o;
  const { cluster } = origin;
  const inIt = ["-n", namespace];
  const mark = (value: string): Promise<string> => {
    const spec = { replicas: 0, revisionHistoryLimit: 1, env: [{ name: "MARK", value }] };
    return cluster.kubectl(["apply", "-f", "-"], o.manifest(name, spec));
  };
  const kept = async (): Promise<Revision[]> => {
    const { items } = await cluster.get<{ items: Revision[] }>(["controllerrevisions", ...inIt]);
    return items
      .filter(({ metadata }) => metadata.name.startsWith(`${name}-`))
      .sort((left, right) => left.revision - right.revision);
  };
  const reads = (wanted: string): Promise<unknown> =>
    until(
      `the history is ${wanted}`,
      async () => {
        const marks = (await kept()).map(({ revision, data }) => `${revision} ${data.spec.env?.[0]?.value}`);
        return marks.join(", ") === wanted;
      },
      { seconds },
    );
  await mark("one");
  await reads("1 one");
  await mark("two");
  await reads("1 one, 2 two");
  const said = await origin.cli(["app", "rollback", name, ...inIt]);
  assert.match(said, /rolled back to revision 1/);
  await reads("2 two, 3 one");
  await mark("three");
  await reads("3 one, 4 three");
  const [, present] = await kept();
  await cluster.kubectl(["delete", "controllerrevision", present?.metadata.name ?? "", ...inIt]);
  await reads("3 one, 4 three");
  await origin.cli(["app", "delete", name, ...inIt, "--wait"]);
  await until("the history is gone", async () => (await kept()).length === 0, { seconds: 30 });
}
