/** Invites as Secrets, one each: what a peer will get is not for everybody's eyes, and the token is kept only as a hash. */
import type { KubeClient } from "../kube/client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../kube/errors.ts";
import { type Secret, secrets } from "../kube/resources.ts";
import { decodeData, encodeData } from "../kube/secret-data.ts";
import type { InviteRecord, InviteStore, StoredInvite } from "./invite-record.ts";
import { parseInviteRecord } from "./invite-record.ts";

const marker = "fairlead.dev/invite";
const dataKey = "invite.json";

export function createKubeInviteStore(deps: {
  client: Pick<KubeClient, "get" | "list" | "create" | "update" | "delete">;
  namespace: string;
}): InviteStore {
  const { client, namespace } = deps;
  const refOf = (id: string): { namespace: string; name: string } => ({ namespace, name: `fairlead-invite-${id}` });

  function contentOf(record: InviteRecord): Pick<Secret, "data" | "type"> {
    return { type: marker, data: encodeData({ [dataKey]: JSON.stringify(record) }) };
  }

  return {
    async list(signal) {
      const found: StoredInvite[] = [];
      let next: string | undefined;
      do {
        const page = await client.list(
          secrets,
          { namespace, labelSelector: `${marker}=true`, limit: 500, continue: next },
          signal,
        );
        found.push(...page.items.map(toStored).filter((stored) => stored !== undefined));
        next = page.continue;
      } while (next !== undefined);
      return found;
    },
    async get(id, signal) {
      const secret = await client.get(secrets, refOf(id), signal);
      return secret && toStored(secret);
    },
    async create(record, signal) {
      const labels = { [marker]: "true", "app.kubernetes.io/managed-by": "fairlead" };
      const annotations = { "fairlead.dev/expires-at": new Date(record.expiresAt).toISOString() };
      try {
        await client.create(
          secrets,
          { metadata: { ...refOf(record.id), labels, annotations }, ...contentOf(record) },
          signal,
        );
        return true;
      } catch (error) {
        if (isAlreadyExists(error)) return false;
        throw error;
      }
    },
    async update(record, version, signal) {
      try {
        const present = await client.get(secrets, refOf(record.id), signal);
        if (present?.metadata.resourceVersion !== version) return undefined;
        return toStored(await client.update(secrets, { ...present, ...contentOf(record) }, signal));
      } catch (error) {
        if (isConflict(error) || isNotFound(error)) return undefined;
        throw error;
      }
    },
    async delete(id, signal) {
      await client.delete(secrets, refOf(id), {}, signal);
    },
  };
}

/** Undefined for a Secret that somebody else has labelled so, or that cannot be read: it lets nobody in. */
function toStored(secret: Secret): StoredInvite | undefined {
  const record = parseInviteRecord(decodeData(secret, dataKey) ?? "");
  return record && { record, version: secret.metadata.resourceVersion ?? "" };
}
