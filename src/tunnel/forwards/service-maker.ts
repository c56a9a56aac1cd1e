/** Makes and keeps the Services of Forwards, and never touches one that somebody else made. */
import { isDeepStrictEqual } from "node:util";
import type { KubeClient } from "../../kube/client.ts";
import { isAlreadyExists, isConflict, isNotFound, KubeError } from "../../kube/errors.ts";
import type { Draft, ObjectMeta } from "../../kube/object.ts";
import type { ResourceKind } from "../../kube/resource-kind.ts";
import { endpointSlices, services } from "../../kube/resources.ts";
import {
  changedService,
  changedSlice,
  endpointSliceOf,
  type ServiceIdentity,
  serviceOf,
  sliceName,
  type WantedService,
  whose,
} from "./manifests.ts";

export type MadeService =
  | { readonly ok: true; readonly clusterIp: string | undefined }
  /** What stands against it; `message` says what to do. */
  | { readonly ok: false; readonly reason: string; readonly message: string };

export interface ServiceMaker {
  /** Makes both as they are wanted, or brings them back to that. Rejects on trouble that may pass. */
  keep(wanted: WantedService, signal: AbortSignal): Promise<MadeService>;
  /** Takes the agent out of what stands, so that nobody is led to where it was. */
  leave(made: ServiceIdentity, signal: AbortSignal): Promise<void>;
  /** Deletes both, if they are this Forward's; the Service last, since by that what is left is found again. */
  remove(made: ServiceIdentity, signal: AbortSignal): Promise<void>;
}

export interface ServiceMakerDeps {
  readonly client: Pick<KubeClient, "get" | "create" | "update" | "delete">;
  /** What to do where a right is missing in this namespace. */
  grantHint(namespace: string): string;
  /** What is told where the cluster refuses it, in `words` of its own. */
  refusal(words: string): string;
}

/** How one kind is kept: what is to be there, and what becomes of one that is there; itself where nothing is to be changed. */
interface Keeping<T extends { metadata: ObjectMeta }> {
  readonly kind: ResourceKind<T>;
  readonly draft: Draft<T>;
  /** Undefined where it has to be made anew. */
  changed(found: T): T | undefined;
}

/** A few, since who is faster than this agent may be so again. */
const attempts = 4;

export function createServiceMaker(deps: ServiceMakerDeps): ServiceMaker {
  const { client } = deps;

  /** Undefined when the name is somebody else's. Only the version that was looked at is written on. */
  async function keepOne<T extends { metadata: ObjectMeta }>(
    { kind, draft, changed }: Keeping<T>,
    wanted: WantedService,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    const ref = { namespace: wanted.namespace, name: draft.metadata.name ?? "" };
    for (let attempt = 1; ; attempt += 1) {
      try {
        const found = await client.get(kind, ref, signal);
        if (!found) return await client.create(kind, draft, signal);
        const mark = whose(found.metadata, wanted);
        if (mark === "others") return undefined;
        const next = mark === "ours" ? changed(found) : undefined;
        if (next && isDeepStrictEqual(next, found)) return found;
        if (next) return await client.update(kind, next, signal);
        await client.delete(kind, ref, { uid: found.metadata.uid }, signal);
      } catch (error) {
        const isOutrun = isAlreadyExists(error) || isConflict(error) || isNotFound(error);
        if (!isOutrun || attempt >= attempts) throw error;
      }
      if (attempt >= attempts)
        throw new Error(`The ${kind.kind} ${ref.namespace}/${ref.name} cannot be made anew yet.`);
    }
  }

  async function keepBoth(wanted: WantedService, signal: AbortSignal): Promise<MadeService> {
    const keepService = { kind: services, draft: serviceOf(wanted), changed: changedService(wanted) };
    const service = await keepOne(keepService, wanted, signal);
    if (!service) return taken("Service", wanted.namespace, wanted.name);
    const draft = endpointSliceOf(wanted);
    const slice = await keepOne({ kind: endpointSlices, draft, changed: changedSlice(wanted) }, wanted, signal);
    if (!slice) return taken("EndpointSlice", wanted.namespace, draft.metadata.name ?? "");
    return { ok: true, clusterIp: service.spec?.clusterIP };
  }

  return {
    async keep(wanted, signal) {
      const { namespace } = wanted;
      try {
        return await keepBoth(wanted, signal);
      } catch (error) {
        if (!(error instanceof KubeError)) throw error;
        if (isMissingRight(error)) {
          const message = `The agent may not make Services and EndpointSlices in ${namespace}: ${deps.grantHint(namespace)}`;
          return { ok: false, reason: "NotPermitted", message };
        }
        if (error.status !== 403 && error.status !== 422) throw error;
        return { ok: false, reason: "Refused", message: deps.refusal(error.message) };
      }
    },
    async leave(made, signal) {
      const found = await client.get(endpointSlices, sliceRef(made), signal);
      if (!found || whose(found.metadata, made) !== "ours" || !found.endpoints?.length) return;
      // Nor may ports stay that are not the agent's any more: the admission policy would refuse the whole.
      await client.update(endpointSlices, { ...found, endpoints: [], ports: [] }, signal);
    },
    async remove(made, signal) {
      const { namespace, name } = made;
      await removeOne(client, endpointSlices, sliceRef(made), made, signal);
      // Not where the slice stays for want of a right: the next Service of that name, whoever makes it, would lead here.
      await removeOne(client, services, { namespace, name }, made, signal);
    },
  };
}

async function removeOne<T extends { metadata: ObjectMeta }>(
  client: Pick<KubeClient, "get" | "delete">,
  kind: ResourceKind<T>,
  ref: { namespace: string; name: string },
  made: ServiceIdentity,
  signal: AbortSignal,
): Promise<void> {
  const found = await client.get(kind, ref, signal);
  if (!found || whose(found.metadata, made) !== "ours") return;
  await client.delete(kind, ref, { uid: found.metadata.uid }, signal);
}

function sliceRef({ namespace, name }: ServiceIdentity): { namespace: string; name: string } {
  return { namespace, name: sliceName(name) };
}

/** RBAC names what the agent cannot do; a quota and a policy of admission say 403 too, and a right would not help there. */
function isMissingRight({ status, message }: KubeError): boolean {
  return status === 403 && /\bcannot \w+ resource\b/.test(message);
}

function taken(kind: string, namespace: string, name: string): MadeService {
  const message = `There is a ${kind} ${name} in ${namespace} already that was not made for this Forward, and it stays as it is: call the Forward otherwise, or delete that ${kind}.`;
  return { ok: false, reason: "NameTaken", message };
}
