/** This agent's identity in a Secret, which is made once and never written again. */
import { SecretText } from "../base/secret-text.ts";
import type { IdentityStore } from "../identity/store.ts";
import type { KubeClient } from "../kube/client.ts";
import { isAlreadyExists } from "../kube/errors.ts";
import { secrets } from "../kube/resources.ts";
import { decodeData, encodeData } from "../kube/secret-data.ts";
import { PeeringError } from "./error.ts";

/** The name that the Secret has unless another is given. */
const identitySecretName = "fairlead-identity";

export function createKubeIdentityStore(deps: {
  client: Pick<KubeClient, "get" | "create">;
  namespace: string;
  name?: string;
}): IdentityStore {
  const { client, namespace, name = identitySecretName } = deps;
  return {
    async read(signal) {
      const secret = await client.get(secrets, { namespace, name }, signal);
      if (!secret) return undefined;
      const caCertPem = decodeData(secret, "ca.crt");
      const caKeyPem = decodeData(secret, "ca.key");
      if (!caCertPem || !caKeyPem) {
        throw new PeeringError(
          "precondition",
          `The Secret ${namespace}/${name} has no ca.crt or no ca.key. Restore it from a backup; deleting it gives this agent a new identity, which its peers do not know.`,
        );
      }
      return { caCertPem, caKeyPem: new SecretText(caKeyPem) };
    },
    async create(identity, signal) {
      const metadata = { name, namespace, labels: { "app.kubernetes.io/managed-by": "fairlead" } };
      const data = encodeData({ "ca.crt": identity.caCertPem, "ca.key": identity.caKeyPem.reveal() });
      try {
        await client.create(secrets, { metadata, type: "fairlead.dev/identity", immutable: true, data }, signal);
        return "created";
      } catch (error) {
        if (isAlreadyExists(error)) return "exists";
        throw error;
      }
    },
  };
}
