/**
 * One frozen Config for the process: defaults, then the file, then `FAIRLEAD_*` variables, then flags; the later the
 * stronger. Every value remembers where it came from, and a name that nobody knows is refused, never ignored.
 */
import { isDeepStrictEqual } from "node:util";
import { type Document, parseDocuments } from "./base/document.ts";
import { errorText } from "./base/error-text.ts";
import { findNearest } from "./base/nearest.ts";
import { schema } from "./config-schema.ts";
import type { Setting } from "./config-setting.ts";

type ValuesOf<S> = {
  readonly [K in keyof S]: S[K] extends { parse(text: string): infer T } ? T : ValuesOf<S[K]>;
};

/** The settings by section: `config.link.port`. Durations are in milliseconds. */
export type Config = ValuesOf<typeof schema>;

export interface ConfigSources {
  /** Settings by their name, as in `{ "link.port": "9001" }`. */
  readonly flags: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The configuration file, when there is one: its path for messages, and its text. */
  readonly file?: { readonly path: string; readonly text: string } | undefined;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The same by name, as in "link.port". */
  readonly values: ReadonlyMap<string, unknown>;
  /** Where each setting that was given came from, by name. */
  readonly origins: ReadonlyMap<string, string>;
}

export interface DescribedSetting {
  readonly name: string;
  /** As text, passwords masked; empty when it is not set. */
  readonly value: string;
  /** "default", or as in "environment FAIRLEAD_LINK_PORT", "/etc/fairlead.yaml, line 3, column 5", "flag". */
  readonly source: string;
  readonly description: string;
}

/** All that is wrong at once, one mistake a line: people mend a configuration in one go. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join("\n"), options);
  }
}

/** The variables that the command line reads, which are no settings of an agent. */
const otherVariables = new Set(["FAIRLEAD_CONFIG", "FAIRLEAD_SERVER", "FAIRLEAD_STATE", "FAIRLEAD_TOKEN"]);

const settings: ReadonlyMap<string, Setting<unknown>> = new Map(flatten(schema, ""));

/** Throws ConfigError when a name is unknown or a value cannot be. Reads nothing but what it is given. */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const problems: string[] = [];
  const values = new Map<string, unknown>([...settings].map(([name, setting]) => [name, setting.fallback]));
  const origins = new Map<string, string>();
  const take = (name: string, text: string, origin: string): void => {
    try {
      values.set(name, settings.get(name)?.parse(text));
      origins.set(name, origin);
    } catch (error) {
      problems.push(`${name}: ${errorText(error)} (${origin})`);
    }
  };
  const refuse = (given: string, origin: string, known: Iterable<string>): void => {
    const nearest = findNearest(given, known);
    problems.push(`${given}: there is no such setting${nearest ? `; did you mean ${nearest}?` : ""} (${origin})`);
  };

  takeSharedEnv(sources.env, take);
  if (sources.file) takeFile(sources.file, take, refuse);
  takeEnv(sources.env, take, refuse);
  for (const [name, text] of Object.entries(sources.flags)) {
    if (settings.has(name)) take(name, text, "flag");
    else refuse(name, "flag", settings.keys());
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { config: build(values), values, origins };
}

/** Every setting, its value and where that came from, for `fairlead config show`. */
export function describeConfig(loaded: LoadedConfig): DescribedSetting[] {
  return [...settings].map(([name, setting]) => ({
    name,
    value: setting.show(loaded.values.get(name)),
    source: loaded.origins.get(name) ?? "default",
    description: setting.doc,
  }));
}

/** Which settings differ, and whether each may change while the agent runs. */
export function compareConfigs(before: LoadedConfig, after: LoadedConfig): { name: string; live: boolean }[] {
  return [...settings]
    .filter(([name]) => !isDeepStrictEqual(before.values.get(name), after.values.get(name)))
    .map(([name, setting]) => ({ name, live: setting.live === true }));
}

/** What holds in a process that began with `running` and has read `next`: of that, what may change while it runs. */
export function takeLive(running: LoadedConfig, next: LoadedConfig): LoadedConfig {
  const values = new Map<string, unknown>();
  const origins = new Map<string, string>();
  for (const [name, { live }] of settings) {
    const { values: from, origins: of } = live ? next : running;
    values.set(name, from.get(name));
    const origin = of.get(name);
    if (origin !== undefined) origins.set(name, origin);
  }
  return { config: build(values), values, origins };
}

/** The variable that sets `name`: "link.caFile" is FAIRLEAD_LINK_CA_FILE. */
export function variableOf(name: string): string {
  return `FAIRLEAD_${name
    .replaceAll(/([A-Z])/g, "_$1")
    .replaceAll(".", "_")
    .toUpperCase()}`;
}

/** Every setting by name, in the order of the reference. */
export function listSettings(): ReadonlyMap<string, Setting<unknown>> {
  return settings;
}

type Take = (name: string, text: string, origin: string) => void;
type Refuse = (given: string, origin: string, known: Iterable<string>) => void;

function takeSharedEnv(env: ConfigSources["env"], take: Take): void {
  for (const [name, setting] of settings) {
    const variable = setting.sharedEnv?.find((candidate) => env[candidate]);
    if (variable) take(name, env[variable] ?? "", `environment ${variable}`);
  }
}

function takeEnv(env: ConfigSources["env"], take: Take, refuse: Refuse): void {
  const names = new Map([...settings.keys()].map((name) => [variableOf(name), name]));
  for (const [variable, text] of Object.entries(env)) {
    if (text === undefined || !variable.startsWith("FAIRLEAD_") || otherVariables.has(variable)) continue;
    if (isServiceVariable(variable, text)) continue;
    const name = names.get(variable);
    if (name) take(name, text, `environment ${variable}`);
    else refuse(variable, "environment", names.keys());
  }
}

/**
 * Kubernetes describes each Service of its namespace to a pod in variables, and a Service called "fairlead-link" makes
 * FAIRLEAD_LINK_PORT=tcp://10.0.0.1:8001 of it.
 */
function isServiceVariable(variable: string, text: string): boolean {
  return (
    /_SERVICE_(HOST|PORT)(_|$)/.test(variable) ||
    /_PORT_\d+_(TCP|UDP|SCTP)/.test(variable) ||
    /^(tcp|udp|sctp):\/\//.test(text)
  );
}

function takeFile(file: { path: string; text: string }, take: Take, refuse: Refuse): void {
  const [document, second] = readFile(file);
  if (second) throw new ConfigError([`${file.path}, line ${second.line}: a configuration is one document.`]);
  if (document) takeSection(document, file.path, document.value, [], take, refuse);
}

function readFile(file: { path: string; text: string }): Document[] {
  try {
    return parseDocuments(file.text, file.path);
  } catch (error) {
    throw new ConfigError([errorText(error)], { cause: error });
  }
}

function takeSection(
  document: Document,
  file: string,
  value: unknown,
  path: string[],
  take: Take,
  refuse: Refuse,
): void {
  const name = path.join(".");
  const origin = `${file}, ${document.locate(path)}`;
  const isSection = name === "" || [...settings.keys()].some((known) => known.startsWith(`${name}.`));
  const setting = settings.get(name);
  if (setting) take(name, setting.structured ? JSON.stringify(value ?? []) : toText(value), origin);
  if (!setting && !isSection) refuse(name, origin, settings.keys());
  if (!isSection || value === null) return; // Null is a section whose lines are all commented out.
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new ConfigError([`${name || "the configuration"}: must be a section of settings (${origin})`]);
  }
  for (const [key, below] of Object.entries(value)) takeSection(document, file, below, [...path, key], take, refuse);
}

/** What a flag would say for a value of the file. */
function toText(value: unknown): string {
  if (Array.isArray(value)) return value.map(toText).join(",");
  if (typeof value === "object" && value !== null) return JSON.stringify(value); // No setting takes it, and each says why.
  return value === null ? "" : String(value);
}

function flatten(section: object, prefix: string): [string, Setting<unknown>][] {
  return Object.entries(section).flatMap(([key, below]): [string, Setting<unknown>][] =>
    "parse" in below ? [[prefix + key, below]] : flatten(below, `${prefix}${key}.`),
  );
}

function build(values: ReadonlyMap<string, unknown>): Config {
  const section = (below: object, prefix: string): object =>
    Object.freeze(
      Object.fromEntries(
        Object.entries(below).map(([key, next]) => {
          const name = prefix + key;
          return [key, settings.has(name) ? values.get(name) : section(next, `${name}.`)];
        }),
      ),
    );
  return section(schema, "") as Config; // It has the names of the schema, and for each what its own `parse` returned.
}
