/** What the protos say that each method and each door needs. */
import { type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import {
  type Access,
  access,
  type Door,
  DoorSchema,
  door_access,
  Role,
  Scope,
} from "../../gen/fairlead/console/v1/access_pb.ts";
import { fieldAt } from "./request-field.ts";

/** What is needed, with the least role and what it is about. */
export type Need = Omit<Access, "$typeName" | "$unknown">;

/** gRPC's own services tell what the protos say anyway, and whether the port answers. */
const foreign: Need = {
  role: Role.UNSPECIFIED,
  scope: Scope.EVERYBODY,
  fields: [],
  others: Role.UNSPECIFIED,
  beforePasswordChange: false,
};

/** Throws for a method of ours that says nothing, or nothing that makes sense: it would be open to all or to nobody. */
export function accessOf(method: DescMethod): Need {
  if (method.parent.typeName.startsWith("grpc.")) return foreign;
  const name = `${method.parent.typeName}/${method.name}`;
  if (!hasOption(method, access)) throw new Error(`${name} does not say in its proto what it needs of its caller.`);
  const need = getOption(method, access);
  const wrong = mistakeIn(need) ?? need.fields.map((field) => fieldAt(method.input, field)).find((found) => !found.ok);
  if (wrong !== undefined) throw new Error(`${name}: ${typeof wrong === "string" ? wrong : wrong.message}`);
  return need;
}

/** Throws for a door that says nothing. */
export function accessOfDoor(door: Door): Need {
  const value = DoorSchema.value[door];
  if (value === undefined || !hasOption(value, door_access))
    throw new Error(`The door ${door} says nothing of access.`);
  return getOption(value, door_access);
}

const needsFields: readonly Scope[] = [Scope.PEER, Scope.APP, Scope.WORKLOAD, Scope.INBOX_ITEM, Scope.FORWARD];
const needsNoRole: readonly Scope[] = [Scope.SELF, Scope.EVERYBODY];

function mistakeIn({ role, scope, fields, others }: Need): string | undefined {
  if (scope === Scope.UNSPECIFIED) return "its access has no scope.";
  if (needsNoRole.includes(scope) !== (role === Role.UNSPECIFIED)) return "its access has no role, or one too many.";
  if (others !== Role.UNSPECIFIED && scope !== Scope.SELF) return "its access is about others and not about oneself.";
  return needsFields.includes(scope) === fields.length > 0
    ? undefined
    : "its access has no fields, or fields too many.";
}
