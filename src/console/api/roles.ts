/** What each role may do, as the protos declare it. Pure. */
import type { DescService } from "@bufbuild/protobuf";
import { Door, Role } from "../../gen/fairlead/console/v1/access_pb.ts";
import { accessOf, accessOfDoor } from "../access/access-of.ts";
import { roleWord } from "../auth/role-bindings.ts";

const descriptions: readonly { readonly role: Role; readonly description: string }[] = [
  {
    role: Role.VIEWER,
    description:
      "Sees what there is: peers, apps, the inbox, policies, logs, the audit, and the pages of apps. Changes nothing.",
  },
  {
    role: Role.OPERATOR,
    description:
      "Works with what there is: deploys apps, decides what peers ask for, runs commands in pods, reaches what is at peers, their Kubernetes API among it.",
  },
  {
    role: Role.ADMIN,
    description:
      "Decides who is trusted: pairs and removes peers, writes policies, and says who may sign in and as what.",
  },
];

const doors: readonly Door[] = Object.values(Door).filter((door) => door !== Door.UNSPECIFIED);

/** In the order of what they may. Each has what those before it may not. */
export function roleDescriptions(services: readonly DescService[]) {
  const methods = services.flatMap((service) => service.methods);
  return descriptions.map(({ role, description }) => ({
    role,
    name: roleWord(role),
    description,
    methods: methods
      .filter((method) => accessOf(method).role === role)
      .map(({ parent, name }) => `${parent.typeName}/${name}`)
      .sort(),
    doors: doors.filter((door) => accessOfDoor(door).role === role),
  }));
}
