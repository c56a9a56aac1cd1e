/** The least API server that Services of Forwards are made at. What goes wrong, and when, is up to the test. */
import type { KubeClient } from "../../../src/kube/client.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import { isJsonObject, type JsonObject, type ObjectMeta, type ObjectRef } from "../../../src/kube/object.ts";
import { formatDraft, type KindAddress, type ResourceKind } from "../../../src/kube/resource-kind.ts";

export type Verb = "get" | "list" | "create" | "update" | "delete";

export type ObjectClient = Pick<KubeClient, Verb>;

export interface Objects {
  readonly client: ObjectClient;
  /** Asked, and waited for, before each request; what it throws is the answer. */
  before: (verb: Verb, plural: string, ref: { namespace?: string; name?: string }) => Promise<void> | void;
  /** What was asked, as "get services shop/db". */
  readonly asked: string[];
  put(kind: KindAddress, object: JsonObject): void;
}

export function createObjects(): Objects {
  const stored = new Map<string, JsonObject>();
  let version = 0;
  const keyOf = ({ plural }: KindAddress, { namespace, name }: Partial<ObjectRef>) => `${plural} ${namespace}/${name}`;
  const write = <T>(kind: ResourceKind<T>, json: JsonObject): T => {
    version += 1;
    const uid = metaOf(json).uid ?? `uid-${version}`;
    const whole = structuredClone({ ...json, metadata: { ...metaOf(json), uid, resourceVersion: String(version) } });
    stored.set(keyOf(kind, metaOf(json)), whole);
    return kind.parse(structuredClone(whole));
  };
  const objects: Objects = {
    before: () => undefined,
    asked: [],
    put(kind, json) {
      const metadata = { uid: `uid-${version}`, ...metaOf(json) };
      stored.set(keyOf(kind, metadata), structuredClone({ ...json, metadata }));
    },
    client: {
      async get(kind, ref) {
        await ask("get", kind, ref);
        const found = stored.get(keyOf(kind, ref));
        return found && kind.parse(structuredClone(found));
      },
      async list(kind, { namespace, labelSelector }) {
        await ask("list", kind, namespace === undefined ? {} : { namespace });
        const items = [...stored].flatMap(([key, json]) => {
          if (!key.startsWith(`${kind.plural} `) || !isSelected(metaOf(json), labelSelector)) return [];
          if (namespace !== undefined && metaOf(json).namespace !== namespace) return [];
          return [kind.parse(structuredClone(json))];
        });
        return { items, resourceVersion: String(version) };
      },
      async create(kind, draft) {
        await ask("create", kind, draft.metadata);
        if (stored.has(keyOf(kind, draft.metadata))) throw failure(409, "AlreadyExists");
        return write(kind, formatDraft(kind, draft));
      },
      async update(kind, draft) {
        await ask("update", kind, draft.metadata);
        const found = stored.get(keyOf(kind, draft.metadata));
        if (!found) throw failure(404, "NotFound");
        if (metaOf(found).resourceVersion !== draft.metadata.resourceVersion) throw failure(409, "Conflict");
        return write(kind, formatDraft(kind, draft));
      },
      async delete(kind, ref) {
        await ask("delete", kind, ref);
        return stored.delete(keyOf(kind, ref));
      },
    },
  };
  async function ask(verb: Verb, { plural }: KindAddress, { namespace, name }: Partial<ObjectRef>): Promise<void> {
    objects.asked.push(`${verb} ${plural} ${namespace ?? "*"}/${name ?? "*"}`);
    await objects.before(verb, plural, { ...(namespace && { namespace }), ...(name && { name }) });
  }
  return objects;
}

export function failure(status: number, reason: string, message: string = reason): KubeError {
  return new KubeError({ status, reason, message });
}

/** As RBAC says it. */
export function forbidden(): KubeError {
  return failure(
    403,
    "Forbidden",
    'services "db" is forbidden: User "agent" cannot get resource "services" in API group ""',
  );
}

function metaOf({ metadata }: JsonObject): ObjectMeta & JsonObject {
  return isJsonObject(metadata) ? metadata : {};
}

function isSelected({ labels }: ObjectMeta, selector = ""): boolean {
  return selector.split(",").every((term) => {
    const [label = "", value] = term.split("=");
    return term === "" || (value === undefined ? labels?.[label] !== undefined : labels?.[label] === value);
  });
}
