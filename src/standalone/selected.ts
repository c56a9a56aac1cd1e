/** Which objects a list or a watch is about, of the ways of Kubernetes to say it those that this program itself uses. Pure. */
import type { ListOptions } from "../kube/client.ts";
import { KubeError } from "../kube/errors.ts";
import { isJsonObject, type JsonObject } from "../kube/object.ts";

type Selects = (object: JsonObject) => boolean;

/**
 * Labels as `a`, `a=b` and `a==b`, and fields as `metadata.name=…` and `metadata.namespace=…`, more of them with commas between, all of
 * which must hold. Throws a KubeError for what is said in any other way, which would select too much or too little.
 */
export function readSelection({ namespace, labelSelector = "", fieldSelector = "" }: ListOptions): Selects {
  const all = [...partsOf(labelSelector).map(readLabel), ...partsOf(fieldSelector).map(readField)];
  if (namespace !== undefined) all.push((object) => metadataOf(object).namespace === namespace);
  return (object) => all.every((selects) => selects(object));
}

function readLabel(said: string): Selects {
  const [, key = "", asked] = /^([-\w./]+)(?:==?([-\w.]*))?$/.exec(said) ?? [];
  if (key === "") throw notUnderstood(said);
  return (object) => {
    const { labels } = metadataOf(object);
    const value = isJsonObject(labels) && Object.hasOwn(labels, key) ? labels[key] : undefined;
    return asked === undefined ? value !== undefined : value === asked;
  };
}

function readField(said: string): Selects {
  const [, field = "", asked] = /^metadata\.(name|namespace)==?([-\w.]*)$/.exec(said) ?? [];
  if (field === "") throw notUnderstood(said);
  return (object) => metadataOf(object)[field] === asked;
}

function partsOf(selector: string): string[] {
  return selector === "" ? [] : selector.split(",").map((part) => part.trim());
}

function metadataOf({ metadata }: JsonObject): JsonObject {
  return isJsonObject(metadata) ? metadata : {};
}

function notUnderstood(said: string): KubeError {
  const message = `An agent that stands alone does not understand the selector ${JSON.stringify(said)}.`;
  return new KubeError({ status: 400, reason: "BadRequest", message });
}
