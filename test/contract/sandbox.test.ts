import { after } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { createSandbox, type Sandbox } from "../../src/sandbox/sandbox.ts";
import { contractSuite } from "./suite.ts";

let sandbox: Sandbox | undefined;
after(() => sandbox?.close());

const ours = { name: "system:serviceaccount:ci:deployer", token: "made-for-us", audiences: ["fairlead.dev"] };

contractSuite("the sandbox", {
  async kubeconfig() {
    sandbox = await createSandbox({ log: silentLog, crashBackoffMs: 1000, users: [ours] });
    return sandbox.kubeconfig();
  },
  echo: { name: "echo", image: "fairlead.dev/echo:1", ports: [{ containerPort: 8080 }] },
  crash: { name: "crash", image: "fairlead.dev/crash:1" },
  shell: "fairlead.dev/once:1",
  compact: () => sandbox?.compact("configmaps"),
  token: async ({ token }, _namespace, audience) => (audience ? ours.token : (token ?? "")),
});
