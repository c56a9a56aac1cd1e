import assert from "node:assert/strict";
import { testKubeAuditStore } from "../audit/kube-store.ts";

testKubeAuditStore(async () => ({
  kubeconfig: process.env.KUBECONFIG_A ?? assert.fail("KUBECONFIG_A must name the kubeconfig of a cluster."),
  close: async () => undefined,
}));
