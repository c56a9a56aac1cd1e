import type { KubeClient } from "../../kube/client.ts";
import { isAlreadyExists } from "../../kube/errors.ts";
import { secrets } from "../../kube/resources.ts";
import { type AdminTokenStore, adminTokenSecret, readSecretData } from "./admin-token.ts";

/** The admin token in a Secret of the agent's namespace. */
export function createKubeTokenStore(deps: {
  client: Pick<KubeClient, "get" | "create">;
  namespace: string;
}): AdminTokenStore {
  const { client, namespace } = deps;
  const { name, key } = adminTokenSecret;
  return {
    async read(signal) {
      const secret = await client.get(secrets, { namespace, name }, signal);
      return secret && readSecretData(secret.data);
    },
    async create(token, signal) {
      const data = { [key]: Buffer.from(token.reveal()).toString("base64") };
      try {
        await client.create(secrets, { metadata: { namespace, name }, type: "Opaque", data }, signal);
        return "created";
      } catch (error) {
        if (isAlreadyExists(error)) return "exists";
        throw error;
      }
    },
  };
}
