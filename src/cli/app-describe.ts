/** `fairlead app describe`: all that is known of an app, for a person. */
import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { stringify } from "yaml";
import type { App, AppHappening } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { AppJobStatusSchema } from "../gen/fairlead/resources/v1alpha1/app_job_pb.ts";
import { RemoteAppSpecSchema } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { appDetail, factLines, indented } from "./app-detail.ts";
import { rolloutState } from "./app-rollout.ts";
import { storyView } from "./app-story.ts";
import { addTargetOptions, chooseApps, type TargetOptions, waits } from "./app-targets.ts";
import { withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { formatTable, sinceOf, visible } from "./table.ts";

export function addAppDescribe(app: Command, context: CliContext): void {
  const { terminal } = context;
  const describe = app
    .command("describe [names...]")
    .description("all of an app: what is asked for, how it is and why, what happened, what it was before");
  addTargetOptions(describe).action((names: string[], options: TargetOptions) =>
    withAgent(describe, context, async (connection, signal) => {
      const targets = await chooseApps(connection, names, options, signal);
      if (targets.length === 0) terminal.err("No apps found.\n");
      const texts: string[] = [];
      for (const ref of targets) {
        const { app: found } = await connection.client.apps.getApp({ ref }, { signal });
        const { happenings } = await connection.client.apps.getAppStory({ ref }, { signal });
        if (found) texts.push(appDescription(found, happenings, Date.now()));
      }
      if (texts.length > 0) await terminal.out(`${texts.join("\n\n\n")}\n`);
    }),
  );
}

/** Lines without a last line feed. `now` is in milliseconds since 1970; `happenings`, the earliest first. Pure. */
function appDescription(app: App, happenings: readonly AppHappening[], now: number): string {
  const { metadata, spec, status } = app;
  const name = metadata?.name ?? "";
  const waiting = waits(app);
  const at = (status?.peers ?? []).map(({ peer }) => peer).join(", ");
  const rollout = status?.rollout && rolloutState(app).text;
  const facts = factLines([
    ["Namespace", metadata?.namespace],
    ["UID", metadata?.uid],
    ["Made", metadata?.createdAt && `${sinceOf(metadata.createdAt, now)} ago, ${metadata.createdAt}`],
    ["Deleted", metadata?.deletedAt && `asked for ${sinceOf(metadata.deletedAt, now)} ago`],
    ["Labels", pairs(metadata?.labels)],
    ["Annotations", pairs(metadata?.annotations)],
    ["Kind", spec?.kind ?? "Deployment"],
    ["Peer", spec?.peer ?? `by placement${at && `: ${at}`}`],
    ["Phase", [status?.phase ?? "Pending", status?.reason].filter(Boolean).join(", ")],
    ["Revision", status?.revision === undefined ? "" : String(status.revision)],
    ["Rollout", rollout],
    ["Waits", waiting],
    ["Page", status?.url],
  ]);
  return [
    `${visible(name)}\n${facts}`,
    section("Spec", spec ? yaml(toJson(RemoteAppSpecSchema, spec)) : ""),
    section("Status", appDetail(app, now)),
    section("Job", status?.job ? yaml(toJson(AppJobStatusSchema, status.job)) : ""),
    section("Story", happenings.length > 0 ? table(storyView(name, now).columns, happenings) : ""),
  ]
    .filter(Boolean)
    .join("\n\n");
}

function section(head: string, text: string): string {
  return text && `${head}:\n${text}`;
}

function table<T>(columns: Parameters<typeof formatTable<T>>[0], rows: readonly T[]): string {
  return indented(formatTable(columns, rows, { wide: true, head: true }).text);
}

function yaml(value: unknown): string {
  const lines = stringify(value, { lineWidth: 0 }).trimEnd().split("\n");
  return indented(lines.map(visible).join("\n"));
}

/** "a=b, c=d"; the agent's own notes are told otherwise. */
function pairs(given: Readonly<Record<string, string>> = {}): string {
  const own = Object.entries(given).filter(([key]) => !key.startsWith("fairlead.dev/"));
  return own.map(([key, value]) => `${key}=${value}`).join(", ");
}
