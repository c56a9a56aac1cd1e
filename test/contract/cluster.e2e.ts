/** The contract against a real API server: `KUBECONFIG_A` names its kubeconfig. Run by `make e2e`. */
import { readFile } from "node:fs/promises";
import { contractSuite } from "./suite.ts";

const kubeconfig = process.env.KUBECONFIG_A;
if (!kubeconfig) throw new Error("KUBECONFIG_A must name the kubeconfig of a cluster to test against");

contractSuite("a cluster", {
  kubeconfig: () => readFile(kubeconfig, "utf8"),
  echo: { name: "echo", image: "example.test/echo:1", ports: [{ containerPort: 8080 }] },
  crash: { name: "crash", image: "docker.io/library/busybox:1.36", command: ["sh", "-c", "echo starting; exit 3"] },
  shell: "docker.io/library/busybox:1.36",
  async token(api, namespace, audience) {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`;
    const { body } = await api.ask("POST", path, {
      body: {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: audience ? { audiences: [audience] } : {},
      },
    });
    return body.status.token;
  },
});
