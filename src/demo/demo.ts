/**
 * `fairlead demo`: the main job in front of one's eyes, with nothing but Node. Two embedded clusters, an agent beside each,
 * paired; an app of one runs on the other. It leaves nothing behind.
 */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { styleText } from "node:util";
import { aborted } from "../base/abort.ts";
import { firstAdminSecret } from "../console/auth/first-admin.ts";
import { secrets } from "../kube/resources.ts";
import { decodeData } from "../kube/secret-data.ts";
import { createLog } from "../telemetry/log.ts";
import { createLogRing } from "../telemetry/log-ring.ts";
import { type Claim, demoApp, tellStory } from "./story.ts";
import { agentNamespace, buildTown, type Town, type TownOptions } from "./town.ts";

export interface DemoOptions {
  /** End after the claims are checked; else stay up until the signal. */
  readonly once: boolean;
  readonly version: string;
  print(text: string): void;
  readonly colours: boolean;
  readonly signal: AbortSignal;
}

/** How long one claim may take, in milliseconds, before it counts as not true. */
const claimLimitMs = 45_000;

/**
 * Resolves with the exit code: 0, or 1 when a claim was not true. Rejects with the signal's reason when it was ended before
 * every claim was checked. `tell` is for a test that breaks the story.
 */
export async function runDemo(o: DemoOptions, tell = tellStory): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-demo-"));
  // Also when the process ends in a hurry, as after a second Ctrl-C.
  const sweep = (): void => rmSync(directory, { recursive: true, force: true });
  process.once("exit", sweep);
  const towns: Town[] = [];
  try {
    o.print("Two clusters are embedded in this process, for trying Fairlead out and for nothing else.\n\n");
    const common = { directory, version: o.version };
    const built = await Promise.allSettled([
      buildTown({ ...common, ...ownLog(), name: "lisbon", firstPort: 8000 }, o.signal),
      buildTown({ ...common, ...ownLog(), name: "berlin", firstPort: 8010 }, o.signal),
    ]);
    for (const result of built) if (result.status === "fulfilled") towns.push(result.value);
    for (const result of built) if (result.status === "rejected") throw result.reason;
    const [lisbon, berlin] = towns;
    if (!lisbon || !berlin) return 1;
    for (const claim of tell(lisbon, berlin)) if (!(await check(claim, o))) return 1;
    if (o.once) {
      o.print(
        "\nAll of it is so. It ends here, as with --once and without a terminal; at a terminal it stays for you to try things.\n",
      );
      return 0;
    }
    await invite(lisbon, berlin, o);
    await aborted(o.signal);
    o.print("\nTaking it down.\n");
    return 0;
  } catch (error) {
    if (o.signal.aborted) throw error;
    o.print(`${paint(o, "red", "✖")} the demo could not be built up: ${explain(error)}\n`);
    return 1;
  } finally {
    await Promise.allSettled(towns.map((town) => town.close()));
    sweep();
    process.removeListener("exit", sweep);
  }
}

async function check(claim: Claim, o: DemoOptions): Promise<boolean> {
  const startedAt = performance.now();
  // A watch or a log that has told enough would go on, and hold up the end.
  const seenEnough = new AbortController();
  try {
    const limit = AbortSignal.timeout(claimLimitMs);
    const seen = await claim.see(AbortSignal.any([o.signal, limit, seenEnough.signal]));
    const ms = Math.round(performance.now() - startedAt);
    o.print(`${paint(o, "green", "✔")} ${claim.says} ${paint(o, "dim", `(${ms} ms)`)}\n    ${seen}\n`);
    return true;
  } catch (error) {
    if (o.signal.aborted) throw error;
    o.print(`${paint(o, "red", "✖")} Not so: ${claim.says}\n    ${explain(error)}\n`);
    return false;
  } finally {
    seenEnough.abort();
  }
}

/** What is so, and what to try: every line works as it stands. */
async function invite(origin: Town, host: Town, o: DemoOptions): Promise<void> {
  const page = await origin.client.apps.openApp({ ref: demoApp }, { signal: o.signal });
  const head = (text: string): string => paint(o, "bold", text);
  o.print(`
${head("What is so")}
  cluster   agent                    kubeconfig
  ${origin.name.padEnd(9)} ${origin.consoleUrl.padEnd(24)} ${origin.kubeconfig}
  ${host.name.padEnd(9)} ${host.consoleUrl.padEnd(24)} ${host.kubeconfig}

${head("Look at the console")} in a browser, at ${origin.consoleUrl}. Sign in as admin, and choose another password than this:
  ${await firstPassword(origin, o.signal)}

${head("Look at the page")} in a browser; ${host.name} serves it, and this address works once, within 60 s:
  ${page.url}

${head("Try next")}, in another terminal, in this folder:
  export KUBECONFIG=${origin.kubeconfig} FAIRLEAD_SERVER=${origin.consoleUrl}
  bin/fairlead status
  bin/fairlead app open hello   # prints a new address for the page
  bin/fairlead app logs hello -f --prefix
  bin/fairlead forward ${host.name} app/default/hello:8080 8088   # http://127.0.0.1:8088, until Ctrl-C
  bin/fairlead app scale hello --replicas 1
  bin/fairlead app deploy broken --peer ${host.name} --image fairlead.dev/crash:1 && bin/fairlead app list --watch
  bin/fairlead app check --image nginx --peer ${host.name}
  bin/fairlead app scale hello --replicas 6
  FAIRLEAD_SERVER=${host.consoleUrl} KUBECONFIG=${host.kubeconfig} bin/fairlead inbox list
  bin/fairlead app delete hello --wait
  kubectl get remoteapps        # any kubectl works: the cluster speaks the Kubernetes API

Ctrl-C takes everything down.
`);
}

/** That of the user admin, until it is changed. The cluster is gone with the demo, and so is whoever can sign in there. */
async function firstPassword({ kube }: Town, signal: AbortSignal): Promise<string> {
  const ref = { namespace: agentNamespace, name: firstAdminSecret };
  const secret = await kube.client.get(secrets, ref, signal);
  return (secret && decodeData(secret, "password")) ?? "it has been changed already";
}

function explain(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error && parts.length < 4; at = at.cause) parts.push(at.message);
  return parts.join(": ") || String(error);
}

function paint(o: DemoOptions, style: "green" | "red" | "dim" | "bold", text: string): string {
  return o.colours ? styleText(style, text, { validateStream: false }) : text;
}

/** Nothing is printed of it: it is there for the agent to show. */
function ownLog(): Pick<TownOptions, "log" | "ownLog"> {
  const ring = createLogRing();
  return { log: createLog({ level: "info", write: () => undefined, keep: (line) => ring.add(line) }), ownLog: ring };
}
