import assert from "node:assert/strict";
import { testLive } from "../kube/live.ts";

testLive(async () => ({
  kubeconfig: process.env.KUBECONFIG_A ?? assert.fail("KUBECONFIG_A must name the kubeconfig of a cluster."),
  close: async () => undefined,
}));
