/** A refusal, as people and programs read it. Pure. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { RoleBindingSchema } from "../../gen/fairlead/console/v1/access_pb.ts";
import { PermissionMissingSchema } from "../../gen/fairlead/console/v1/error_pb.ts";
import { howToSignIn } from "../auth/authenticator.ts";
import type { Principal, RoleBinding } from "../auth/principal.ts";
import { describeRoles, roleWord } from "../auth/role-bindings.ts";
import type { Concern } from "./concern.ts";
import type { Decision } from "./decide.ts";

type Refused = Decision & { readonly ok: false };

export interface Asked {
  /** The method or door, as in "fairlead.console.v1.AppService/DeployApp". */
  readonly what: string;
  readonly principal: Principal | undefined;
  /** Of somebody who is not known: what is wrong with what they presented. */
  readonly whyNot?: string;
  /** Names of those who could give what is missing. */
  readonly admins: readonly string[];
}

/** With details of what is missing. */
export function refusal(refused: Refused, asked: Asked): ConnectError {
  if (refused.why === "unknown")
    return new ConnectError(`${asked.whyNot ?? "Nobody has signed in."} ${howToSignIn}`, Code.Unauthenticated);
  const message = wordsOf(refused, asked);
  if (refused.why === "password") return new ConnectError(message, Code.FailedPrecondition);
  const { principal, what, admins } = asked;
  const { role, peers } = refused;
  const detail = create(PermissionMissingSchema, {
    what,
    role,
    ...(typeof peers === "string" ? { allPeers: true } : { peers: [...peers] }),
    held: (principal?.roles ?? []).map(toRoleBinding),
    givenBy: admins.map(String),
  });
  return new ConnectError(message, Code.PermissionDenied, undefined, [
    { desc: PermissionMissingSchema, value: detail },
  ]);
}

function wordsOf(refused: Exclude<Refused, { why: "unknown" }>, { principal, admins }: Asked): string {
  if (refused.why === "password") return "Change your password first: it was given to you by somebody else.";
  const { role, peers } = refused;
  const held = principal ? ` ${principal.name} is ${describeRoles(principal.roles)}.` : "";
  const who = admins.length > 0 ? ` Who can give it: ${admins.join(", ")}.` : "";
  return `This needs the role ${roleWord(role)} for ${whereOf(peers)}.${held}${who}`;
}

function whereOf(peers: Concern | "unsaid"): string {
  if (peers === "unsaid") return "the peers of what was named, if there is such a thing";
  if (peers === "all") return "all peers";
  return peers.length > 0 ? peers.join(", ") : "some peer";
}

export function toRoleBinding({ role, peers }: RoleBinding) {
  return create(RoleBindingSchema, { role, allPeers: peers === "all", peers: peers === "all" ? [] : [...peers] });
}
