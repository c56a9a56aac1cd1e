/** Rules about what is claimed to keep data in. */
import { valueAt } from "../fragment.ts";
import { formatQuantity } from "../quantity.ts";
import type { Finding, Question } from "./question.ts";

export function areClaimsAllowed({ app, demand: { claims }, context: { policy } }: Question): readonly Finding[] {
  const { classes, maxSize } = policy.storage;
  return claims.flatMap((claim, index) => {
    const found: Finding[] = [];
    const field = `${claim.field}.spec.storageClassName`;
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
    const sizeField = `${claim.field}.spec.resources.requests[storage]`;
    if (claim.size === undefined) {
      found.push({ rule: "storage/size", field: sizeField, message: "a claim must say its size, such as 1Gi" });
    } else if (maxSize !== undefined && claim.size > maxSize) {
      const [asked, allowed] = [formatQuantity(claim.size, "storage"), formatQuantity(maxSize, "storage")];
      const message = `one claim may ask for at most ${allowed} here, and this one asks for ${asked}`;
      found.push({ rule: "storage/size", field: sizeField, message, asked, allowed });
    }
    return [...found, ...isNew(app.claims[index]?.spec, `${claim.field}.spec`)];
  });
}

/** Each of them is a way to what somebody else keeps, or to what no class of the policy is about. */
const others: readonly string[] = [
  "volumeName",
  "selector",
  "dataSource",
  "dataSourceRef",
  "volumeAttributesClassName",
];

function isNew(spec: Parameters<typeof valueAt>[0], path: string): Finding[] {
  return others.flatMap((name) => {
    if (valueAt(spec, name) === undefined) return [];
    const message = `a claim is for a new, empty volume of its class here; leave ${name} out`;
    return [{ rule: "storage/source", field: `${path}.${name}`, message }];
  });
}
