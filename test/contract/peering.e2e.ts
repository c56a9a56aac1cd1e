import assert from "node:assert/strict";
import { testKubeStores } from "../peering/kube-stores.ts";

testKubeStores(async () => ({
  kubeconfig: process.env.KUBECONFIG_A ?? assert.fail("KUBECONFIG_A must name the kubeconfig of a cluster."),
  close: async () => undefined,
}));
