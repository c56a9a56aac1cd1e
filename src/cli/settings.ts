/** The agent's settings as flags: `link.httpProxy` is `--link-http-proxy`. The settings themselves are in config. */
import type { Command } from "commander";
import { ConfigError, describeConfig, loadConfig } from "../config.ts";
import { CliError, exitCode } from "./errors.ts";

/** What commander parsed: `--config`, and a text for each setting's flag that was given, by its camel-cased name. */
export type SettingOptions = { readonly config?: string } & Readonly<Record<string, unknown>>;

/** Flags that every command has and that mean a setting when an agent is started. */
const globalFlags: Readonly<Record<string, string>> = {
  kubeconfig: "kube.kubeconfig",
  context: "kube.context",
  agentNamespace: "kube.namespace",
};
/** The directory of an agent without a cluster, for all commands: weaker than the setting's own flag. */
const state = "standalone.directory";

/** Adds `--config` and a flag for each setting. */
export function addSettingOptions(command: Command): Command {
  command.option("--config <file>", "the configuration file; also FAIRLEAD_CONFIG");
  command.option("--standalone", "an agent that stands in no cluster: standalone.enabled");
  for (const { name, description } of allSettings()) {
    if (!Object.values(globalFlags).includes(name)) command.option(`--${flagOf(name)} <value>`, description);
  }
  return command;
}

/** The settings that were given as flags, by their names. */
export function readSettingOptions(options: SettingOptions): Record<string, string> {
  const given: Record<string, string> = {};
  for (const { name } of allSettings()) {
    const value = options[camelCase(flagOf(name))];
    if (typeof value === "string") given[name] = value;
  }
  if (options.standalone === true) given["standalone.enabled"] = "true";
  if (typeof options.state === "string") given[state] ??= options.state;
  for (const [option, name] of Object.entries(globalFlags)) {
    const value = options[option];
    if (typeof value === "string") given[name] = value;
  }
  return given;
}

/** Runs what reads a configuration; its mistakes become one usage error. */
export function withConfigErrors<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CliError(`the configuration is wrong:\n  ${error.message.replaceAll("\n", "\n  ")}`, {
      code: exitCode.usage,
      hint: "fairlead config show -o wide, or docs/configuration.md",
      cause: error,
    });
  }
}

function allSettings(): readonly { name: string; description: string }[] {
  return describeConfig(loadConfig({ flags: {}, env: {} }));
}

function flagOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll(".", "-");
}

function camelCase(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
