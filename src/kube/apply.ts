/** Server-side apply: states what should be so and owns exactly that. */
import { KubeError } from "./errors.ts";
import { type Draft, isJsonObject, type JsonObject, keyOf, type ObjectMeta } from "./object.ts";
import type { Requests } from "./requests.ts";
import { formatDraft, objectPath, type ResourceKind } from "./resource-kind.ts";

/** The field manager that Fairlead applies as. */
export const fieldManager = "fairlead";

export interface ApplyOptions {
  /** `fairlead` unless given. */
  fieldManager?: string | undefined;
  /** Take over fields that another manager owns instead of failing with Conflict. */
  force?: boolean | undefined;
  /** Validate and answer, and store nothing. */
  dryRun?: boolean | undefined;
}

/** See `KubeClient.apply` and `KubeClient.applyStatus`. */
export async function applyObject<T extends { metadata: ObjectMeta }>(
  requests: Pick<Requests, "json">,
  kind: ResourceKind<T>,
  object: Draft<T>,
  options: ApplyOptions,
  subresource: "status" | undefined,
  signal: AbortSignal,
): Promise<T> {
  const { namespace, name } = object.metadata;
  const answer = await requests.json(
    {
      method: "PATCH",
      path: objectPath(kind, { namespace, name: name ?? "" }, subresource),
      query: {
        fieldManager: options.fieldManager ?? fieldManager,
        force: options.force,
        dryRun: options.dryRun ? "All" : undefined,
        fieldValidation: "Strict",
      },
      body: appliedBody(formatDraft(kind, object)),
      // JSON is YAML, and YAML is what the API server expects here.
      contentType: "application/apply-patch+yaml",
      what: `apply ${subresource ? `${subresource} of ` : ""}${kind.kind} ${keyOf(object)}`,
    },
    signal,
  );
  if (isJsonObject(answer)) return kind.parse(answer);
  throw new KubeError({ status: 0, reason: "Garbled", message: "The API server answered an apply with no object." });
}

/** An object that was read and is applied again carries what the server keeps for itself, which apply refuses. */
function appliedBody(body: JsonObject): JsonObject {
  if (!isJsonObject(body.metadata)) return body;
  const { managedFields: _kept, creationTimestamp: _made, generation: _counted, ...metadata } = body.metadata;
  return { ...body, metadata };
}
