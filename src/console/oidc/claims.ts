/** Who somebody is, as an ID token that was verified says. Pure. */
import { OidcError } from "./error.ts";

export interface OidcPerson {
  readonly name: string;
  readonly groups: readonly string[];
}

/** In characters, of a name or a group; and how many groups are looked at. */
const longestText = 256;
const mostGroups = 1_000;

/** Throws an `OidcError` when the token does not say what they are called. */
export function readPerson(
  claims: Readonly<Record<string, unknown>>,
  names: { readonly usernameClaim: string; readonly groupsClaim: string; readonly trustEmail: boolean },
): OidcPerson {
  const { usernameClaim, groupsClaim, trustEmail } = names;
  const name = claims[usernameClaim];
  if (typeof name !== "string" || name.trim() === "" || name.length > longestText || /\p{C}/u.test(name)) {
    const message = `The provider says nothing usable under "${usernameClaim}", by which console.oidc.usernameClaim wants to know people. Its scopes may leave that out.`;
    throw new OidcError("no-name", message);
  }
  // An address that nobody has proven to be theirs may be anybody's.
  if (usernameClaim === "email" && claims.email_verified !== true && !trustEmail) {
    const message =
      "The provider does not say that this address is verified. Where each is, console.oidc.trustEmail says so.";
    throw new OidcError("no-name", message);
  }
  const said = claims[groupsClaim];
  const groups = (Array.isArray(said) ? said : [said]).slice(0, mostGroups);
  return { name, groups: groups.filter((one): one is string => typeof one === "string" && one.length <= longestText) };
}
