/** All attacks, in the order in which docs/security.md shows them. */
import type { Attack } from "./attack.ts";
import { approvalAttacks } from "./attacks/approvals.ts";
import { datagramAttacks } from "./attacks/datagrams.ts";
import { dialAttacks } from "./attacks/dials.ts";
import { floodAttacks } from "./attacks/floods.ts";
import { guestAttacks } from "./attacks/guests.ts";
import { hostAttacks } from "./attacks/hosts.ts";
import { identityAttacks } from "./attacks/identity.ts";
import { imageAttacks } from "./attacks/images.ts";
import { quantityAttacks } from "./attacks/quantities.ts";
import { scopeAttacks } from "./attacks/scope.ts";
import { specAttacks } from "./attacks/specs.ts";
import { wordAttacks } from "./attacks/words.ts";

export const attacks: readonly Attack[] = [
  ...identityAttacks,
  ...scopeAttacks,
  ...dialAttacks,
  ...datagramAttacks,
  ...imageAttacks,
  ...quantityAttacks,
  ...approvalAttacks,
  ...guestAttacks,
  ...hostAttacks,
  ...wordAttacks,
  ...specAttacks,
  ...floodAttacks,
];
