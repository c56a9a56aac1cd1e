/**
 * Which end-to-end tests run side by side: most of their time they wait. An agent looks at all RemoteApps of its cluster, and some
 * tests stop an API server or cut the network, so what starts agents on the given clusters runs alone there. Beside that may run
 * what makes nothing that an agent looks at, as long as its API server stands, and what brings its own clusters. Where two pairs of
 * clusters are given, what has to be alone has the second.
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
  "test/e2e/people.e2e.ts",
  "test/e2e/placement.e2e.ts",
  "test/e2e/pods.e2e.ts",
  "test/e2e/pull-through.e2e.ts",
  "test/e2e/forwards.e2e.ts",
  "test/e2e/reach.e2e.ts",
  "test/e2e/reverse-forwards.e2e.ts",
  "test/e2e/secrets.e2e.ts",
  "test/e2e/sign-in.e2e.ts",
  "test/e2e/standalone.e2e.ts",
  "test/e2e/storage.e2e.ts",
];

/** Stand on embedded clusters. */
const embedded = ["test/e2e/ingress.e2e.ts", "test/e2e/real-clients.e2e.ts"];

export interface Lane {
  /** They run one after the other. */
  readonly files: readonly string[];
  /** Which pair of clusters they are given. */
  readonly pair: 1 | 2;
}

export interface Stage {
  /** Beside one another. */
  readonly lanes: readonly Lane[];
}

/** Stages one after the other, with each of these files in one lane. A test that is not named above is taken for one that needs all to itself. */
export function stagesOf(files: readonly string[], pairs: 1 | 2): Stage[] {
  const known = [...bare, ...calm, ...embedded];
  const of = (names: readonly string[]): string[] => files.filter((file) => names.includes(file));
  const others = files.filter((file) => !known.includes(file));
  const first: Lane[] = [
    { files: of(calm), pair: 1 },
    { files: of(bare), pair: 1 },
  ];
  const alone: Lane[] = [
    { files: others, pair: pairs },
    { files: of(embedded), pair: pairs },
  ];
  return (pairs === 2 ? [[...first, ...alone]] : [first, alone])
    .map((lanes) => ({ lanes: lanes.filter(({ files: some }) => some.length > 0) }))
    .filter(({ lanes }) => lanes[0]);
}

/** What the tests of a lane are told: of the second pair what the first is called for them. */
export function environmentOf(pair: 1 | 2, env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  if (pair === 1) return {};
  const renamed = Object.entries(env).flatMap(([name, value = ""]): [string, string][] => {
    const [, of = "", which = ""] = /^(\w+_)([CD])$/.exec(name) ?? [];
    if (of !== "") return [[of + (which === "C" ? "A" : "B"), value]];
    const [, word] = /^(NETWORK_\w+)_CD$/.exec(name) ?? [];
    return word === undefined ? [] : [[word, value]];
  });
  return Object.fromEntries(renamed);
}

/** How many pairs of clusters are given. */
export function pairsIn(env: Readonly<Record<string, string | undefined>>): 1 | 2 {
  return env.KUBECONFIG_C && env.KUBECONFIG_D ? 2 : 1;
}
