/** A policy as an administrator writes it at an agent: about nobody, so that it changes nothing for others. */
import assert from "node:assert/strict";

/** Makes it, changes it and deletes it. */
export async function writePolicy(agent: { cli(args: string[], input?: string): Promise<string> }): Promise<void> {
  const policy = (cpu: string): string =>
    JSON.stringify({
      apiVersion: "fairlead.dev/v1alpha1",
      kind: "PeerPolicy",
      metadata: { name: "for-nobody" },
      spec: { peers: { names: ["nobody"] }, workloads: { quota: { "requests.cpu": cpu } } },
    });
  assert.match(await agent.cli(["policy", "apply", "-f", "-"], policy("1")), /for-nobody created/);
  assert.match(await agent.cli(["policy", "apply", "-f", "-"], policy("2")), /for-nobody configured/);
  assert.match(await agent.cli(["policy", "delete", "for-nobody"]), /for-nobody deleted/);
}
