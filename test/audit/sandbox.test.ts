import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { testKubeAuditStore } from "./kube-store.ts";

testKubeAuditStore(async () => {
  const sandbox = await createSandbox({ log: silentLog, processes: false });
  const folder = mkdtempSync(join(tmpdir(), "fairlead-audit-"));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, sandbox.kubeconfig());
  return {
    kubeconfig,
    async close() {
      await sandbox.close();
      rmSync(folder, { recursive: true });
    },
  };
});
