/** What may stand at the end of a command line, by the tree of commands alone. Pure. */
import type { Command, Option } from "commander";

/** A word that may stand there, and what it is. */
export interface Candidate {
  readonly word: string;
  readonly about?: string | undefined;
}

/** What a word is for, when the tree does not know its words. */
export interface Asked {
  /** The words of the command, as in ["app", "get"]. */
  readonly command: readonly string[];
  /** The argument, or the option by its long name. */
  readonly name: string;
  readonly isOption: boolean;
  /** The arguments that stand before it. */
  readonly before: readonly string[];
  /** The options that were given, by their names in code; the last of each counts. */
  readonly options: Readonly<Record<string, string>>;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly asked?: Asked;
  /** Stands before each candidate in the word itself, as "--peer=". */
  readonly prefix: string;
  /** What was typed of the candidate. */
  readonly typed: string;
}

/** `words` are those behind the program's name; the last is the one that is being typed, and may be empty. */
export function complete(program: Command, words: readonly string[]): Completion {
  const typed = words.at(-1) ?? "";
  const walk = walkTo(program, words.slice(0, -1));
  const { command, path, before, options, pending, isLiteral } = walk;
  const ask = (name: string, isOption: boolean): Asked => ({ command: path, name, isOption, before, options });
  const ofOption = (option: Option, prefix: string, value: string): Completion => ({
    candidates: (option.argChoices ?? []).map((word) => ({ word })),
    ...(option.argChoices === undefined && { asked: ask((option.long ?? "").slice(2), true) }),
    prefix,
    typed: value,
  });
  if (pending) return ofOption(pending, "", typed);
  if (!isLiteral && typed.startsWith("-")) {
    const [, name = "", value] = /^(--[^=]+)=(.*)$/s.exec(typed) ?? [];
    const option = value === undefined ? undefined : optionOf(command, name);
    if (option) return ofOption(option, `${name}=`, value ?? "");
    return { candidates: optionsOf(command), prefix: "", typed };
  }
  const subcommands = before.length > 0 || isLiteral ? [] : commandsOf(command);
  const argument =
    command.registeredArguments[before.length] ?? command.registeredArguments.findLast((a) => a.variadic);
  const choices = argument?.argChoices?.map((word) => ({ word }));
  return {
    candidates: choices ?? subcommands,
    ...(argument && !choices && { asked: ask(argument.name(), false) }),
    prefix: "",
    typed,
  };
}

interface Walk {
  readonly command: Command;
  readonly path: readonly string[];
  readonly before: readonly string[];
  readonly options: Readonly<Record<string, string>>;
  /** The option whose value comes next. */
  readonly pending: Option | undefined;
  /** Whether `--` has come, behind which nothing is an option. */
  readonly isLiteral: boolean;
}

function walkTo(program: Command, words: readonly string[]): Walk {
  let command = program;
  const path: string[] = [];
  const before: string[] = [];
  const options: Record<string, string> = {};
  let pending: Option | undefined;
  let isLiteral = false;
  for (const word of words) {
    if (pending) {
      options[pending.attributeName()] = word;
      pending = undefined;
    } else if (isLiteral) before.push(word);
    else if (word === "--") isLiteral = true;
    else if (word.startsWith("-") && word !== "-") pending = readOption(command, word, options);
    else {
      const child =
        before.length === 0 ? command.commands.find((one) => one.name() === word || one.alias() === word) : undefined;
      if (child) {
        command = child;
        path.push(child.name());
      } else before.push(word);
    }
  }
  return { command, path, before, options, pending, isLiteral };
}

/** Notes what the word gives; the option whose value is the next word, if there is one. */
function readOption(command: Command, word: string, options: Record<string, string>): Option | undefined {
  const [, long, value] = /^(--[^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (long !== undefined) {
    const option = optionOf(command, long);
    if (option && value !== undefined) options[option.attributeName()] = value;
    return value === undefined && option?.required ? option : undefined;
  }
  // Short ones may stand together, and the last may have its value with it: -it, -nshop.
  for (let at = 1; at < word.length; at += 1) {
    const option = optionOf(command, `-${word[at]}`);
    if (!option?.required) continue;
    const rest = word.slice(at + 1);
    if (rest === "") return option;
    options[option.attributeName()] = rest;
    return undefined;
  }
  return undefined;
}

function optionOf(command: Command, name: string): Option | undefined {
  for (let at: Command | null = command; at; at = at.parent) {
    const found = at.options.find(({ long, short }) => long === name || short === name);
    if (found) return found;
  }
  return undefined;
}

/** The command's own first, then those that count for all. */
function optionsOf(command: Command): Candidate[] {
  const found: Candidate[] = [];
  for (let at: Command | null = command; at; at = at.parent) {
    for (const { long, description, hidden } of at.options) {
      if (long && !hidden && !found.some(({ word }) => word === long)) found.push({ word: long, about: description });
    }
  }
  return [...found, { word: "--help", about: "what this command does" }];
}

function commandsOf(command: Command): Candidate[] {
  const visible = new Set(command.createHelp().visibleCommands(command));
  return command.commands
    .filter((one) => visible.has(one))
    .map((one) => ({ word: one.name(), about: one.description() }));
}
