/** What a setting is, and the kinds of settings that there are: how each is read from a text, and shown. */
import { isIP } from "node:net";
import { describeRoleRules, type RoleRule, readRoleRules } from "./console/auth/role-rules.ts";
import { describeTargets, type OfferedTarget, readTargets } from "./standalone/targets.ts";

export interface Setting<T> {
  /** Whole sentences, for the reference and for `fairlead config show -o wide`. */
  readonly doc: string;
  /** The words of the reference for what may be given. */
  readonly form: string;
  readonly fallback: T;
  /** Throws an Error that says what is expected; its message continues "link.port: …". */
  parse(text: string): T;
  /** As it is printed, without what is secret in it. */
  show(value: T): string;
  /** May change while the agent runs. */
  readonly live?: true;
  /** A list or a section as the file has it: `parse` and a flag take it as JSON. */
  readonly structured?: true;
  /** Variables of the environment that other programs share; weaker than a configuration file. */
  readonly sharedEnv?: readonly string[];
}

export function text(o: { fallback?: string; doc: string }): Setting<string> {
  return {
    form: "text",
    fallback: o.fallback ?? "",
    doc: o.doc,
    parse: (given) => given.trim(),
    show: (value) => value,
  };
}

export function targets(doc: string): Setting<readonly OfferedTarget[]> {
  return {
    form: "list",
    fallback: [],
    doc,
    parse: (given) => (given.trim() === "" ? [] : readTargets(given)),
    show: describeTargets,
    structured: true,
  };
}

export function roleRules(doc: string): Setting<readonly RoleRule[]> {
  return {
    form: "list",
    fallback: [],
    doc,
    parse: (given) => (given.trim() === "" ? [] : readRoleRules(given)),
    show: describeRoleRules,
    structured: true,
  };
}

/** In clear only on this machine: whoever can read or change what a provider says signs in as anybody. */
export function issuer(o: { doc: string }): Setting<string> {
  const any = url(["https:", "http:"], o);
  const parse = (given: string): string => {
    const parsed = new URL(any.parse(given));
    const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(parsed.hostname);
    if (parsed.protocol === "http:" && !isLocal) throw new Error("must be a URL that starts with https://");
    return given.trim();
  };
  return { ...any, parse };
}

/** Plain HTTP is what runtimes speak to a registry on their own node, and to no other without being told. */
export function registryName(o: { doc: string }): Setting<string> {
  const parse = (given: string): string => {
    if (!/^(localhost|127\.0\.0\.1):\d{1,5}$/.test(given.trim())) {
      throw new Error("must be localhost and a port, such as localhost:30500");
    }
    return given.trim();
  };
  return { form: "localhost:port", fallback: "", doc: o.doc, parse, show: (value) => value };
}

export function address(o: { doc: string }): Setting<string> {
  const parse = (given: string): string => {
    if (isIP(given.trim()) === 0) throw new Error("must be an address, such as 10.0.0.7");
    return given.trim();
  };
  return { form: "address", fallback: "", doc: o.doc, parse, show: (value) => value };
}

export function portRange(o: {
  fallback: { first: number; last: number };
  doc: string;
}): Setting<{ first: number; last: number }> {
  const parse = (given: string): { first: number; last: number } => {
    const [, from, to] = /^(\d{1,5})-(\d{1,5})$/.exec(given.trim()) ?? [];
    const [first, last] = [Number(from), Number(to)];
    if (!(first >= 1 && first <= last && last <= 65_535)) {
      throw new Error("must be two ports from 1 to 65535, the lower first, such as 20000-20999");
    }
    return { first, last };
  };
  const show = ({ first, last }: { first: number; last: number }): string => `${first}-${last}`;
  return { form: "port-port", fallback: o.fallback, doc: o.doc, parse, show };
}

export function choice<T extends string>(allowed: readonly T[], fallback: T, doc: string): Setting<T> {
  const parse = (given: string): T => {
    const found = allowed.find((value) => value === given.trim());
    if (found === undefined) throw new Error(`must be one of ${allowed.join(", ")}`);
    return found;
  };
  return { form: allowed.join(" \\| "), fallback, doc, parse, show: (value) => value };
}

export function flag(o: { fallback: boolean; doc: string }): Setting<boolean> {
  const parse = (given: string): boolean => {
    if (given === "true" || given === "") return true; // A flag that is only named is set.
    if (given === "false") return false;
    throw new Error("must be true or false");
  };
  return { form: "true \\| false", ...o, parse, show: String };
}

export function integer(o: { fallback: number; least: number; most: number; doc: string }): Setting<number> {
  const parse = (given: string): number => {
    const value = Number(given);
    if (!/^\d+$/.test(given.trim()) || value < o.least || value > o.most) {
      throw new Error(`must be a whole number from ${o.least} to ${o.most}`);
    }
    return value;
  };
  return { form: `${o.least} to ${o.most}`, fallback: o.fallback, doc: o.doc, parse, show: String };
}

const unitBytes: Record<string, number> = { "": 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/** As Kubernetes writes memory. */
export function bytes(o: { fallback?: number; doc: string }): Setting<number> {
  const parse = (given: string): number => {
    const [, number, unit = ""] = /^(\d{1,9})(Ki|Mi|Gi)?$/.exec(given.trim()) ?? [];
    const value = Number(number) * (unitBytes[unit] ?? 0);
    if (!(value >= 2 ** 20)) throw new Error("must be at least 1Mi, in bytes, Ki, Mi or Gi, such as 256Mi");
    return value;
  };
  return {
    form: "bytes",
    fallback: o.fallback ?? 0,
    doc: o.doc,
    parse,
    show: (value) => (value % 2 ** 20 === 0 ? `${value / 2 ** 20}Mi` : String(value)),
  };
}

const unitMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** In milliseconds; written as Go and Kubernetes do. */
export function duration(o: { fallback: number; least?: number; doc: string }): Setting<number> {
  const parse = (given: string): number => {
    const parts = [...given.trim().matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
    if (parts.length === 0 || parts.map((part) => part[0]).join("") !== given.trim()) {
      throw new Error("must be a duration such as 500ms, 20s or 1h30m");
    }
    const ms = parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (unitMs[unit] ?? 0), 0);
    if (ms < (o.least ?? 0)) throw new Error(`must be a duration of at least ${(o.least ?? 0) / 1_000}s`);
    return ms;
  };
  return {
    form: "duration",
    fallback: o.fallback,
    doc: o.doc,
    parse,
    show: (value) => (value % 1_000 === 0 ? `${value / 1_000}s` : `${value}ms`),
  };
}

export function url(protocols: readonly string[], o: { doc: string }): Setting<string> {
  const expected = `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`;
  const parse = (given: string): string => {
    const parsed = URL.parse(given.trim());
    if (!parsed || !protocols.includes(parsed.protocol)) throw new Error(expected);
    return parsed.href;
  };
  return { form: "URL", fallback: "", doc: o.doc, parse, show: hidePassword };
}

/** A URL, or `host:port` alone, as curl and Go take it: the variables are shared with other programs. */
export function proxy(o: { doc: string }): Setting<string> {
  const whole = url(["http:", "https:"], o);
  return { ...whole, parse: (given) => whole.parse(given.includes("://") ? given : `http://${given.trim()}`) };
}

function hidePassword(value: string): string {
  const parsed = URL.parse(value);
  return parsed?.password ? value.replace(`:${parsed.password}@`, ":[secret]@") : value;
}

/** Undefined unless it is given; an empty text takes a weaker value back. */
export function optional<T>(setting: Setting<T>): Setting<T | undefined> {
  return {
    ...setting,
    fallback: undefined,
    parse: (given) => (given.trim() === "" ? undefined : setting.parse(given)),
    show: (value) => (value === undefined ? "" : setting.show(value)),
  };
}
