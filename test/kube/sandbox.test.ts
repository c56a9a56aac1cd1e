import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { testLive } from "./live.ts";

testLive(async () => {
  const sandbox = await createSandbox({ log: silentLog });
  const folder = mkdtempSync(join(tmpdir(), "fairlead-sandbox-"));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, sandbox.kubeconfig());
  const close = async (): Promise<void> => {
    await sandbox.close();
    rmSync(folder, { recursive: true });
  };
  return { kubeconfig, web: { image: "fairlead.dev/demo-web:1", port: 8080 }, close };
});
