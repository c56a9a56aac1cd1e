/** That an agent forgets an invite whose time is up. */

import assert from "node:assert/strict";
import type { Cluster } from "./clusters.ts";
import { type InstalledAgent, releaseNamespace } from "./installed.ts";

/** Writes into the one invite that the agent has that it ended long ago, and sees it go. */
export async function forgetsOldInvite(cluster: Cluster, agent: InstalledAgent): Promise<void> {
  const inAgents = ["-n", releaseNamespace];
  const [name = ""] = (
    await cluster.kubectl(["get", "secrets", ...inAgents, "-l", "fairlead.dev/invite", "-o", "name"])
  ).split("\n");
  const { data } = await cluster.get<{ data: Record<string, string> }>([...inAgents, name]);
  const record = JSON.parse(Buffer.from(data["invite.json"] ?? "", "base64").toString());
  const stringData = { "invite.json": JSON.stringify({ ...record, createdAt: 0, expiresAt: 1 }) };
  await cluster.kubectl(["patch", ...inAgents, name, "--type=merge", "-p", JSON.stringify({ stringData })]);
  await agent.cli(["invite", "list"]);
  await assert.rejects(cluster.kubectl(["get", ...inAgents, name]), /NotFound/);
}
