/**
 * Which end-to-end tests run side by side: most of their time they wait. An agent looks at all RemoteApps of its cluster, and some
 * tests stop an API server or cut the network, so what starts agents on the given clusters runs alone there. Beside that may run
 * what makes nothing that an agent looks at, as long as its API server stands, and what brings its own clusters.
 */

/** Ask a cluster's API server themselves, in namespaces of their own. */
const bare = [
  "test/contract/app-kinds.e2e.ts",
  "test/contract/cluster.e2e.ts",
  "test/contract/enforcement.e2e.ts",
  "test/contract/kubelets.e2e.ts",
  "test/contract/quantities.e2e.ts",
  "test/contract/readiness.e2e.ts",
  "test/contract/routes.e2e.ts",
  "test/contract/whole-output.e2e.ts",
  "test/e2e/guards.e2e.ts",
];

/** Start agents, and stop neither an API server nor the network. */
const calm = [
  "test/contract/audit.e2e.ts",
  "test/contract/kube.e2e.ts",
  "test/contract/peering.e2e.ts",
  "test/e2e/jobs.e2e.ts",
  "test/e2e/kubectl.e2e.ts",
  "test/e2e/lifecycle.e2e.ts",
  "test/e2e/nodes.e2e.ts",
  "test/e2e/placement.e2e.ts",
  "test/e2e/pods.e2e.ts",
  "test/e2e/pull-through.e2e.ts",
  "test/e2e/forwards.e2e.ts",
  "test/e2e/reach.e2e.ts",
  "test/e2e/reverse-forwards.e2e.ts",
  "test/e2e/secrets.e2e.ts",
  "test/e2e/standalone.e2e.ts",
  "test/e2e/storage.e2e.ts",
];

/** Stand on embedded clusters. */
const embedded = ["test/e2e/ingress.e2e.ts", "test/e2e/real-clients.e2e.ts"];

export interface Stage {
  /** The files of each lane run one after the other, and the lanes beside one another. */
  readonly lanes: readonly (readonly string[])[];
}

/** Stages one after the other, with each of these files in one lane. A test that is not named above is taken for one that needs all to itself. */
export function stagesOf(files: readonly string[]): Stage[] {
  const known = [...bare, ...calm, ...embedded];
  const of = (names: readonly string[]): string[] => files.filter((file) => names.includes(file));
  const others = files.filter((file) => !known.includes(file));
  const stages = [
    [of(calm), of(bare)],
    [others, of(embedded)],
  ];
  return stages.map((lanes) => ({ lanes: lanes.filter((lane) => lane.length > 0) })).filter(({ lanes }) => lanes[0]);
}
