import assert from "node:assert/strict";
import { testLive } from "../kube/live.ts";

testLive(async () => ({
  kubeconfig: process.env.KUBECONFIG_A ?? assert.fail("KUBECONFIG_A must name the kubeconfig of a cluster."),
  web: { image: "docker.io/library/nginx:1.27", port: 80 },
  close: async () => undefined,
}));
