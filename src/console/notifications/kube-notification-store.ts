/** Notifications in one ConfigMap of the agent's namespace, or in the directory of an agent that stands alone. */
import type { KubeClient } from "../../kube/client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../../kube/errors.ts";
import { configMaps } from "../../kube/resources.ts";
import { emptyLedger, type Ledger } from "./ledger.ts";

export interface NotificationStore {
  /** Rejects when it cannot be read. What another program has left there, or a version to come, is as if there was nothing. */
  read(signal: AbortSignal): Promise<{ readonly ledger: Ledger; readonly version: string | undefined }>;
  /** The new version; undefined when it is not of this version any more, and has to be read again. */
  write(ledger: Ledger, version: string | undefined, signal: AbortSignal): Promise<string | undefined>;
}

/** The chart gives the right to this name. */
const name = "fairlead-notifications";
const key = "notifications.json";
/** Of what is written there; another form of it will have another. */
const form = 1;

export function createKubeNotificationStore(deps: {
  readonly client: Pick<KubeClient, "get" | "create" | "update">;
  readonly namespace: string;
}): NotificationStore {
  const { client, namespace } = deps;
  return {
    async read(signal) {
      const found = await client.get(configMaps, { namespace, name }, signal);
      if (!found) return { ledger: emptyLedger, version: undefined };
      return { ledger: parse(found.data?.[key] ?? ""), version: found.metadata.resourceVersion };
    },

    async write(ledger, version, signal) {
      const labels = { "app.kubernetes.io/managed-by": "fairlead" };
      const data = { [key]: JSON.stringify({ form, ...ledger }) };
      const metadata = { name, namespace, labels };
      try {
        const written =
          version === undefined
            ? await client.create(configMaps, { metadata, data }, signal)
            : await client.update(configMaps, { metadata: { ...metadata, resourceVersion: version }, data }, signal);
        return written.metadata.resourceVersion;
      } catch (error) {
        if (isAlreadyExists(error) || isConflict(error) || (version !== undefined && isNotFound(error)))
          return undefined;
        throw error;
      }
    },
  };
}

function parse(text: string): Ledger {
  try {
    const {
      form: itsForm,
      next,
      happenedUntil = 0,
      notifications,
    }: Partial<Ledger> & { form?: number } = JSON.parse(text);
    if (itsForm === form && Number.isSafeInteger(next) && next !== undefined && Array.isArray(notifications)) {
      return { next, happenedUntil, notifications };
    }
  } catch {
    // It is nobody's record: what is so now is told anew.
  }
  return emptyLedger;
}
