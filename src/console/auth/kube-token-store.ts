import { SecretText } from "../../base/secret-text.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isAlreadyExists } from "../../kube/errors.ts";
import { secrets } from "../../kube/resources.ts";
import { decodeData, encodeData } from "../../kube/secret-data.ts";
import { type AdminTokenStore, adminTokenSecret } from "./admin-token.ts";

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
      return secret && new SecretText(decodeData(secret, key) ?? "");
    },
    async create(token, signal) {
      const data = encodeData({ [key]: token.reveal() });
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
