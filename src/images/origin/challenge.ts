/** What a registry says of how it wants to be asked (RFC 9110, 11.6.1). Pure. */

export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly params: ReadonlyMap<string, string>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const param = new RegExp(`^\\s*(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))\\s*`);
const scheme = new RegExp(`^\\s*(${token})(?=\\s|,|$)(?!\\s*=)\\s*`);
const mostChars = 8_192;

/** Of a header with several challenges each; what cannot be understood ends the list. */
export function readChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; params: Map<string, string> }[] = [];
  let rest = header.slice(0, mostChars);
  while (rest !== "") {
    const comma = /^\s*,\s*/.exec(rest);
    const named = param.exec(rest);
    const current = challenges.at(-1);
    if (comma) {
      rest = rest.slice(comma[0].length);
    } else if (named && current) {
      const [whole, name = "", quoted, plain = ""] = named;
      current.params.set(name.toLowerCase(), quoted === undefined ? plain : quoted.replace(/\\(.)/g, "$1"));
      rest = rest.slice(whole.length);
    } else {
      const begun = scheme.exec(rest);
      if (!begun) break;
      challenges.push({ scheme: (begun[1] ?? "").toLowerCase(), params: new Map() });
      rest = rest.slice(begun[0].length);
    }
  }
  return challenges;
}
