/** That an agent forgets an invite whose time is up. */

import assert from "node:assert/strict";
import type { Cluster } from "./clusters.ts";
import { type InstalledAgent, releaseNamespace } from "./installed.ts";

/** Writes into an invite of the agent that has expired that it ended long ago, and sees it go. */
export async function forgetsOldInvite(cluster: Cluster, agent: InstalledAgent): Promise<void> {
  const inAgents = ["-n", releaseNamespace];
  const { items } = await cluster.get<{ items: { metadata: { name: string }; data: Record<string, string> }[] }>([
    "secrets",
    ...inAgents,
    "-l",
    "fairlead.dev/invite",
  ]);
  const records = items.map(({ metadata, data }) => ({
    name: `secret/${metadata.name}`,
    record: JSON.parse(Buffer.from(data["invite.json"] ?? "", "base64").toString()),
  }));
  const { name, record } = records.find((one) => one.record.expiresAt < Date.now()) ?? assert.fail("none has expired");
  const stringData = { "invite.json": JSON.stringify({ ...record, createdAt: 0, expiresAt: 1 }) };
  await cluster.kubectl(["patch", ...inAgents, name, "--type=merge", "-p", JSON.stringify({ stringData })]);
  await agent.cli(["invite", "list"]);
  await assert.rejects(cluster.kubectl(["get", ...inAgents, name]), /NotFound/);
}

/** Makes an invite, and withdraws it. */
export async function revokesInvite(host: Pick<InstalledAgent, "cli">): Promise<void> {
  await host.cli(["invite", "--grant", "apps"]);
  const [left = ""] = (await host.cli(["invite", "list", "-o", "name"])).trim().split("\n");
  await host.cli(["invite", "revoke", left.replace(/^.*\//, "")]);
}
