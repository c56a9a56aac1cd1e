import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { WayKind } from "./way.ts";

const kubectl = process.env.KUBECTL ?? "kubectl";
const readyWithinMs = 80_000;
const targetPort = 8_080;
const folder = new URL("../load/", import.meta.url);

/**
 * `kubectl port-forward` to the target in a pod: of the cluster that KUBECONFIG_A names, in the image E2E_AGENT_IMAGE, which has Node. Of its processes kubectl
 * alone can be seen from here; the API server, the kubelet and the container runtime are in between, too.
 */
export const portForward: WayKind = {
  name: "kubectl port-forward",
  ownNetwork: true,
  absent() {
    const missing = ["KUBECONFIG_A", "E2E_AGENT_IMAGE"].filter((name) => !process.env[name]);
    return missing.length === 0 ? undefined : `absent: no ${missing.join(", ")}`;
  },
  async start() {
    const namespace = `fairlead-bench-${process.pid}-${Math.floor(performance.now())}`;
    const env = { ...process.env, KUBECONFIG: process.env.KUBECONFIG_A };
    const run = promisify(execFile);
    await run(kubectl, ["create", "namespace", namespace], { env });
    const close = async (): Promise<void> => {
      await run(kubectl, ["delete", "namespace", namespace, "--wait=false"], { env });
    };
    try {
      const applied = run(kubectl, ["-n", namespace, "create", "-f", "-"], { env });
      applied.child.stdin?.end(JSON.stringify(objects()));
      await applied;
      await run(kubectl, ["-n", namespace, "wait", "--for=condition=Ready", "pod/target", "--timeout=60s"], { env });
      const child = spawn(kubectl, ["-n", namespace, "port-forward", "pod/target", `:${targetPort}`], {
        env,
        stdio: ["ignore", "pipe", "ignore"], // It complains of each connection that is broken off.
      });
      const lines = createInterface(child.stdout);
      const [line] = await once(lines, "line", { signal: AbortSignal.timeout(readyWithinMs) });
      lines.close();
      child.stdout.resume();
      const port = Number(/:(\d+) ->/.exec(String(line))?.[1]);
      return {
        port,
        target: port,
        pids: [child.pid ?? 0],
        async close() {
          const gone = once(child, "exit");
          if (child.exitCode === null && child.signalCode === null) {
            child.kill("SIGKILL");
            await gone;
          }
          await close();
        },
      };
    } catch (error) {
      await close();
      throw error;
    }
  },
};

/** The target's own sources, and a pod that runs them. */
function objects(): object {
  const files = ["target.ts", "conversation.ts"];
  const data = Object.fromEntries(files.map((name) => [name, readFileSync(new URL(name, folder), "utf8")]));
  const spec = {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: "target",
        image: process.env.E2E_AGENT_IMAGE,
        imagePullPolicy: "IfNotPresent",
        command: ["node", "/bench/target.ts", String(targetPort)],
        readinessProbe: { tcpSocket: { port: targetPort }, periodSeconds: 1 },
        volumeMounts: [{ name: "bench", mountPath: "/bench" }],
      },
    ],
    volumes: [{ name: "bench", configMap: { name: "bench" } }],
  };
  const items = [
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "bench" }, data },
    { apiVersion: "v1", kind: "Pod", metadata: { name: "target" }, spec },
  ];
  return { apiVersion: "v1", kind: "List", items };
}
