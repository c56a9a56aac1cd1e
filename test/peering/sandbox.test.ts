import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { testKubeStores } from "./kube-stores.ts";

testKubeStores(async () => {
  const sandbox = await createSandbox({ log: silentLog, processes: false });
  const folder = mkdtempSync(join(tmpdir(), "fairlead-peering-"));
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
