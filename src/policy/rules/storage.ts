/** Rules about what is claimed to keep data in. */
import { formatQuantity } from "../quantity.ts";
import type { Finding, Question } from "./question.ts";

export function areClaimsAllowed({ demand: { claims }, context: { policy } }: Question): readonly Finding[] {
  const { classes, maxSize } = policy.storage;
  return claims.flatMap((claim, index) => {
    const found: Finding[] = [];
    const field = `claims[${index}]`;
    if (claim.class === undefined || !classes.includes(claim.class)) {
      const asked = claim.class ?? "";
      const allowed = classes.join(", ");
      const which =
        allowed === ""
          ? "no storage may be claimed here"
          : `only storage of the classes ${allowed} may be claimed here`;
      const wrong = asked === "" ? "the claim names no class" : `the claim names ${asked}`;
      found.push({ rule: "storage/class", field, message: `${which}, and ${wrong}`, asked, allowed });
    }
    if (maxSize !== undefined && claim.size > maxSize) {
      const [asked, allowed] = [formatQuantity(claim.size, "storage"), formatQuantity(maxSize, "storage")];
      const message = `one claim may ask for at most ${allowed} here, and this one asks for ${asked}`;
      found.push({ rule: "storage/size", field, message, asked, allowed });
    }
    return found;
  });
}
