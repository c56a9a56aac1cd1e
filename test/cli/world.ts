/** Two agents on embedded clusters, and `fairlead` run against them in this process: `world.run("peer list")`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDocuments } from "../../src/base/document.ts";
import { type Log, silentLog } from "../../src/base/log.ts";
import { connectToAgent } from "../../src/cli/connection.ts";
import type { CliContext, Keyboard } from "../../src/cli/context.ts";
import { runCli } from "../../src/cli/program.ts";
import { buildTown, type Town } from "../../src/demo/town.ts";
import { isJsonObject } from "../../src/kube/object.ts";
import { peerPolicies } from "../../src/kube/resources.ts";

export interface World extends AsyncDisposable {
  /** "lisbon" and "berlin": not paired yet. */
  readonly lisbon: Town;
  readonly berlin: Town;
  /** One more agent, which goes with the others. */
  add(name: string): Promise<Town>;
}

/**
 * Without processes every pod becomes Ready by itself, and writes no log. Each town accepts what its peers may run by their
 * grants, unless it is to have no policy.
 */
export async function startWorld({
  processes = false,
  accepting = true,
  settings = {},
  log = silentLog,
}: {
  processes?: boolean;
  accepting?: boolean;
  /** More settings of the agents. */
  settings?: Readonly<Record<string, string>>;
  /** Of both agents and their clusters. */
  log?: Log;
} = {}): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  const towns: Town[] = [];
  const end = async (): Promise<void> => {
    await Promise.allSettled(towns.map((town) => town.close()));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const common = { directory, firstPort: 0, version: "0.0.1", log, processes, settings };
    const add = async (name: string): Promise<Town> => {
      const town = await buildTown({ ...common, name }, AbortSignal.timeout(60_000));
      towns.push(town);
      if (accepting) await applyPolicies(town, acceptAll);
      return town;
    };
    return { lisbon: await add("lisbon"), berlin: await add("berlin"), add, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** The policy of someone who trusts all peers: what they may do is what they were granted. */
export const acceptAll = `
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: accept-all }
spec: { workloads: { accept: true } }
`;

/** Applies PeerPolicies, one or more documents of YAML, to a town's cluster, and gives their names. */
export async function applyPolicies(town: Town, yaml: string): Promise<string[]> {
  const names: string[] = [];
  for (const { value } of parseDocuments(yaml)) {
    if (!isJsonObject(value)) throw new Error("a policy is a map");
    const parsed = peerPolicies.parse(value);
    if (parsed.problems) throw new Error(parsed.problems.join("; "));
    const draft = { ...parsed, metadata: { ...parsed.metadata, namespace: "fairlead-system" } };
    const options = { fieldManager: "test", force: true };
    const applied = await town.kube.client.apply(peerPolicies, draft, options, AbortSignal.timeout(30_000));
    names.push(applied.metadata.name ?? "");
  }
  return names;
}

/** Lets a peer run programs in, and copy files from and to, what it runs in this town; resolves when the town's agent goes by that. */
export async function allowPods(town: Town, peer: string): Promise<void> {
  await applyPolicies(
    town,
    `
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: allow-pods }
spec: { peers: { names: [${peer}] }, workloads: { accept: true }, pods: { exec: true, files: true } }
`,
  );
  let explained = "";
  for (let tries = 0; tries < 500; tries += 1) {
    explained = (await run(town, ["policy", "explain", peer])).out;
    if (/pods\.files +true/.test(explained)) return;
  }
  throw new Error(`the policy does not count:\n${explained}`);
}

/** What a command did. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  /** In place of a cluster that nobody has. */
  openRights?: CliContext["openRights"];
  readonly input?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly interactive?: boolean;
  /** What the person answers when asked; nothing unless given. */
  readonly answer?: (question: string) => string;
  /** What the person makes of a text in their editor. */
  readonly edit?: (text: string) => string | Promise<string>;
  /** Gets each text that is kept in a file. */
  readonly kept?: string[];
  /** Another token than the agent's own. */
  readonly token?: string;
  /** What types; a pipe with `input` unless given. */
  readonly keyboard?: Keyboard;
  /** In place of a town. */
  readonly connect?: CliContext["connect"];
}

/** Runs one command against a town's agent; fails after 60 s. */
export function run(town: Town | undefined, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return start(town, args, options).ended;
}

/** A command that runs on, with what it printed so far. */
export interface Running {
  readonly ended: Promise<Ran>;
  out(): string;
  err(): string;
  /** Waits until the condition holds for what was printed to standard output; fails after 60 s, or when it ended before. */
  until(condition: (out: string) => boolean): Promise<void>;
  /** What Ctrl-C does. */
  interrupt(): void;
}

export function start(town: Town | undefined, args: readonly string[], options: RunOptions = {}): Running {
  const interrupted = new AbortController();
  const deadline = AbortSignal.timeout(60_000);
  let out = "";
  let err = "";
  let wake = (): void => {};
  const fileOf = (path: string): string => {
    const text = options.files?.[path];
    if (text === undefined) throw new Error(`no such file: ${path}`);
    return text;
  };
  const context = testContext({
    terminal: {
      out(text) {
        out += text;
        wake();
      },
      err(text) {
        err += text;
        wake();
      },
      write(data) {
        out += Buffer.from(data).toString();
        wake();
      },
      writeError(data) {
        err += Buffer.from(data).toString();
        wake();
      },
      keyboard: options.keyboard ?? pipe(options.input ?? ""),
      readInput: async () => options.input ?? "",
      ask: async (question) => options.answer?.(question) ?? "",
      editText: async (_name, text) => (await options.edit?.(text)) ?? text,
      keepText: async (name, text) => {
        options.kept?.push(text);
        return `/kept/${name}`;
      },
      readFile: async (path) => fileOf(path),
      async *readLines(path) {
        yield* (path === "-" ? (options.input ?? "") : fileOf(path)).split("\n");
      },
      interactive: options.interactive === true,
      env: options.env ?? {},
    },
    signal: interrupted.signal,
    ...(options.connect && { connect: options.connect }),
    ...(options.openRights && { openRights: options.openRights }),
    ...(town && {
      connect: (given, signal) =>
        connectToAgent(
          {
            version: "0.0.1",
            env: { FAIRLEAD_TOKEN: options.token ?? town.token },
            findConsole: async () => undefined,
            openCluster: async () => ({
              namespace: undefined,
              readToken: async () => undefined,
              dialAgent: () => Promise.reject(new Error("the tests name the server")),
            }),
          },
          { ...given, server: given.server ?? town.consoleUrl },
          signal,
        ),
    }),
  });
  const tooLong = (): void => interrupted.abort(new Error("the command took more than 60 s"));
  deadline.addEventListener("abort", tooLong, { once: true });
  let isOver = false;
  const ended = runCli(args, context).then((code) => {
    deadline.removeEventListener("abort", tooLong);
    isOver = true;
    wake();
    return { code, out, err };
  });
  return {
    ended,
    out: () => out,
    err: () => err,
    async until(condition) {
      while (!condition(out)) {
        if (isOver || deadline.aborted) throw new Error(`never so; ${args.join(" ")} printed:\n${out}${err}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    interrupt: () => interrupted.abort(new Error("interrupted")),
  };
}

/** Standard input that is no terminal. */
function pipe(text: string): Keyboard {
  return {
    isTerminal: false,
    async *read() {
      if (text !== "") yield Buffer.from(text);
    },
    raw: () => () => {},
    size: () => undefined,
    onResize: () => () => {},
  };
}

/** A context in which nothing is there; what a test needs is given. */
export function testContext(given: Partial<CliContext> = {}): CliContext {
  return {
    terminal: {
      out: () => {},
      err: () => {},
      write: () => {},
      writeError: () => {},
      keyboard: pipe(""),
      readInput: async () => "",
      editText: async (_name, text) => text,
      keepText: async (name) => name,
      ask: async () => "",
      readFile: async () => "",
      async *readLines() {},
      interactive: false,
      env: {},
    },
    connect: () => Promise.reject(new Error("this test has no agent")),
    openRights: () => Promise.reject(new Error("this test has no cluster")),
    signal: new AbortController().signal,
    async *lookAtUrl() {},
    runAgent: async () => {},
    runDemo: async () => 0,
    describeConfig: () => [],
    version: "0.0.1",
    ...given,
  };
}

/** A world whose pods are processes: lisbon and berlin are paired, and lisbon's app "web" runs at berlin and listens on 8080. */
export async function startWorldWithWeb(): Promise<World> {
  const world = await startWorld({ processes: true });
  try {
    await pair(world, "apps");
    const image = ["--image", "fairlead.dev/demo-web:1", "--port", "8080"];
    const deployed = await run(world.lisbon, ["app", "deploy", "web", "--peer", "berlin", ...image, "--wait"]);
    if (deployed.code !== 0) throw new Error(deployed.err);
    return world;
  } catch (error) {
    await world[Symbol.asyncDispose]();
    throw error;
  }
}

/** Pairs the two, as `fairlead invite` and `fairlead join` do; `grants` are what lisbon, called so, may do at berlin. */
export async function pair(
  { lisbon, berlin }: Pick<World, "lisbon" | "berlin">,
  grants: string,
  name = "lisbon",
): Promise<void> {
  const invite = await run(berlin, ["invite", "--name", name, ...(grants ? ["--grant", grants] : [])]);
  const joined = await run(lisbon, ["join", invite.out.trim()]);
  if (joined.code !== 0) throw new Error(joined.err);
}
