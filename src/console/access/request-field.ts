/** Fields of requests, by paths such as "start.target.app". Pure. */
import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { isMessage } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { ObjectRefSchema } from "../../gen/fairlead/console/v1/object_pb.ts";
import { ForwardSpecSchema } from "../../gen/fairlead/resources/v1alpha1/forward_pb.ts";
import { RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";

/** Messages that say what a request is about. */
const speaking: readonly DescMessage[] = [ObjectRefSchema, RemoteAppSpecSchema, ForwardSpecSchema];

type FieldAt =
  | { readonly ok: true; readonly path: readonly DescField[] }
  | { readonly ok: false; readonly message: string };

/** The fields that a path such as "start.target.app" goes by. */
export function fieldAt(message: DescMessage, path: string): FieldAt {
  const found: DescField[] = [];
  let within: DescMessage | undefined = message;
  for (const name of path.split(".")) {
    const field: DescField | undefined = within?.fields.find((one) => one.name === name);
    if (!field) return { ok: false, message: `${message.typeName} has no field ${path}.` };
    found.push(field);
    within = field.fieldKind === "message" ? field.message : undefined;
  }
  const last = found.at(-1);
  const fits = last?.fieldKind === "message" ? speaking.includes(last.message) : isText(last);
  return fits
    ? { ok: true, path: found }
    : { ok: false, message: `${path} of ${message.typeName} names no peer, no app and no Forward.` };
}

function isText(field: DescField | undefined): boolean {
  return field?.fieldKind === "scalar" || (field?.fieldKind === "list" && field.listKind === "scalar");
}

/** What stands there: several in a list, nothing where it is not set. */
export function valuesAt(input: DescMessage, request: Message, path: string): unknown[] {
  const at = fieldAt(input, path);
  if (!at.ok) throw new Error(at.message);
  let value: unknown = request;
  let within = input;
  for (const field of at.path) {
    if (!isMessage(value, within)) return [];
    const reflected = reflect(within, value);
    if (!reflected.isSet(field)) return [];
    if (field.fieldKind === "list") return [...reflected.get(field)];
    if (field.fieldKind !== "message") return [reflected.get(field)];
    const next = reflected.get(field);
    value = next.message;
    within = field.message;
  }
  return [value];
}
