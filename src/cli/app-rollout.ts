/** `fairlead app rollout status`: how far the present spec of an app is, until it runs or cannot. */
import type { Command } from "commander";
import type { App } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { isAtSeveral } from "./app-status.ts";
import { plainName, waits } from "./app-targets.ts";
import { namespaceOption, spanSeconds, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, type ExitCode, exitCode } from "./errors.ts";
import { plain } from "./table.ts";
import { watchApps } from "./watch.ts";

interface Options {
  readonly namespace?: string;
  readonly watch: boolean;
  readonly timeout?: number;
}

export function addAppRollout(app: Command, context: CliContext): void {
  const { terminal } = context;
  const rollout = app.command("rollout").description("how far a change is");
  const status = rollout
    .command("status <name>")
    .description("follow the rollout of the present spec until it is done; fails when it cannot be");
  status
    .addOption(namespaceOption())
    .option("-w, --watch", "go on until it is done, or has failed", true)
    .option("--no-watch", "only how far it is now")
    .option("--timeout <span>", "for how long it goes on; by default until it is done or has failed", spanSeconds)
    .action((given: string, options: Options) =>
      withAgent(status, context, async ({ client, namespace: ours }, interrupted) => {
        const ref = { namespace: options.namespace ?? ours, name: plainName(given) };
        if (!options.watch) {
          const { app: found } = await client.apps.getApp({ ref }, { signal: interrupted });
          if (!found) return;
          const text = `${ref.name}: ${judged(ref, rolloutState(found)).text}`;
          await terminal.out([text, ...rolloutAtPeers(found), ""].join("\n"));
          return;
        }
        const seconds = options.timeout;
        const limit =
          seconds === undefined ? interrupted : AbortSignal.any([interrupted, AbortSignal.timeout(seconds * 1000)]);
        let said = "";
        let printed = "";
        let isThere = false;
        try {
          for await (const heard of watchApps({ client, signal: limit, say: terminal.err }, ref)) {
            if (heard.kind === "gone" || (heard.kind === "synced" && !isThere)) {
              throw new CliError(`there is no RemoteApp ${ref.namespace}/${ref.name}`, { code: exitCode.notFound });
            }
            if (heard.kind === "synced") continue;
            isThere = true;
            const state = rolloutState(heard.item);
            const text = [`${ref.name}: ${state.text}`, ...rolloutAtPeers(heard.item)].join("\n");
            const { isDone } = judged(ref, state);
            if (text !== printed) await terminal.out(`${text}\n`);
            printed = text;
            said = state.text;
            if (isDone) return;
          }
        } catch (error) {
          if (!limit.aborted || interrupted.aborted) throw error;
          throw new CliError(`the rollout of ${ref.name} is not done after ${seconds} s: ${said}`, {
            code: exitCode.timeout,
            hint: `fairlead app describe ${ref.name} -n ${ref.namespace}`,
            cause: error,
          });
        }
      }),
    );
}

/** How far a rollout is. */
export interface RolloutState {
  readonly text: string;
  readonly isDone: boolean;
  /** It will not be done by itself. */
  readonly failure?: { readonly code: ExitCode; readonly hint?: string };
}

/** Told from the app alone. Pure. */
export function rolloutState(app: App): RolloutState {
  const { metadata, spec, status } = app;
  const { phase = "Pending", reason = "", rollout } = status ?? {};
  const why = plain(status?.message || reason);
  const going = (text: string): RolloutState => ({ text, isDone: false });
  const failed = (text: string, code: ExitCode, hint?: string): RolloutState => {
    return { text, isDone: false, failure: { code, ...(hint && { hint }) } };
  };
  if (metadata?.deletedAt) return failed("it is being deleted", exitCode.failed);
  const isCurrent = BigInt(status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0n);
  if (!isCurrent || phase === "Unknown")
    return going(waits(app) ?? (why || "its peer has not heard of the change yet"));
  if (phase === "Denied") return failed(`denied: ${why}`, exitCode.denied);
  if (phase === "Held") return failed(`held: ${why}`, exitCode.held, "a person at the peer decides");
  if (/DeadlineExceeded$/.test(reason)) {
    return failed(
      `it moved no more within its progressDeadlineSeconds: ${why}`,
      exitCode.failed,
      "fairlead app rollback",
    );
  }
  if ((spec?.paused || rollout?.paused) && rollout) {
    return failed(`paused: ${counts(rollout)}`, exitCode.failed, "fairlead app resume");
  }
  if (phase === "Ready") return { text: why ? `rolled out: ${why}` : "rolled out", isDone: true };
  return going(rollout ? `${counts(rollout)}${why ? `; ${why}` : ""}` : why || phase);
}

/** A line for each peer of an app at several. Pure. */
export function rolloutAtPeers(app: App): string[] {
  if (!isAtSeveral(app)) return [];
  return (app.status?.peers ?? []).map(({ peer = "", phase = "Pending", reason, message, rollout, leaving }) => {
    const going = rollout ? counts(rollout) : plain(message || reason || "");
    const text = phase === "Ready" ? "rolled out" : `${phase}${going && `, ${going}`}`;
    return `  at ${plain(peer)}: ${leaving ? "it is to end there; " : ""}${text}`;
  });
}

function counts({
  updated = 0,
  updatedReady = 0,
  old = 0,
  total = 0,
}: NonNullable<App["status"]>["rollout"] & object): string {
  const stay = old > 0 ? `, ${old} old ${old === 1 ? "one is" : "ones are"} still there` : "";
  return `${updated} of ${total} new pods are there, ${updatedReady} of them ready${stay}`;
}

/** Throws for a rollout that will not be done. */
function judged({ namespace, name }: { namespace: string; name: string }, state: RolloutState): RolloutState {
  const { failure, text } = state;
  if (!failure) return state;
  const hint = failure.hint?.startsWith("fairlead") ? `${failure.hint} ${name} -n ${namespace}` : failure.hint;
  throw new CliError(`${name}: ${text}`, { code: failure.code, hint });
}
