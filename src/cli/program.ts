/** The `fairlead` command: its nouns and verbs, and one place where failures become words and exit codes. */
import { Command, CommanderError, Help, Option } from "commander";
import { addAgentCommands } from "./agent.ts";
import { addAppCommands } from "./app.ts";
import { addAuditCommands } from "./audit.ts";
import { addCompletionCommands } from "./completion.ts";
import { addConfigCommands } from "./config.ts";
import type { CliContext } from "./context.ts";
import { addDoctorCommand } from "./doctor.ts";
import { exitCode, ProgramEnd, toCliError } from "./errors.ts";
import { addForwardCommand } from "./forward.ts";
import { addImagesCommands } from "./image-relay.ts";
import { addInboxCommands } from "./inbox.ts";
import { addInviteCommands } from "./invite.ts";
import { addJoinCommand } from "./join.ts";
import { addKubeconfigCommands } from "./kubeconfig.ts";
import { addNotificationCommands } from "./notification.ts";
import { addOrphanCommands } from "./orphan.ts";
import { addPeerCommands } from "./peer.ts";
import { addConnectionCommands } from "./peer-connection.ts";
import { addPolicyCommands } from "./policy.ts";
import { addStatusCommands } from "./status.ts";
import { plain } from "./table.ts";
import { addTargetCommands } from "./target.ts";
import { addTokenCommands } from "./token.ts";
import { addUserCommands } from "./user.ts";
import { addWhoAmICommands } from "./whoami.ts";

/** Runs one command line (without the program's own name) and resolves with the exit code; it never rejects. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const program = buildProgram(context);
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCode.ok;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed its message or the help already; help that was asked for is no failure.
      return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    }
    if (error instanceof ProgramEnd) {
      if (error.message !== "") context.terminal.err(`error: ${withoutControls(error.message)}\n`);
      return error.code;
    }
    const failure = toCliError(error, context.signal.aborted);
    if (failure.code !== exitCode.interrupted) {
      context.terminal.err(`error: ${withoutControls(failure.message)}\n`);
      if (failure.hint) context.terminal.err(`  try: ${failure.hint}\n`);
    }
    return failure.code;
  }
}

/** The whole command tree; also what the documentation is made from. */
export function buildProgram(context: CliContext): Command {
  const program = new Command("fairlead")
    .description("Joins Kubernetes clusters as peers.")
    .version(context.version, "-V, --version", "the version of this program")
    .addOption(new Option("--server <url>", "the agent's console address; also FAIRLEAD_SERVER"))
    .addOption(
      new Option("--token <token>", "an API token; better given as FAIRLEAD_TOKEN, which no process list shows"),
    )
    .addOption(new Option("--state <directory>", "that of an agent without a cluster; also FAIRLEAD_STATE"))
    .addOption(new Option("--kubeconfig <file>", "the kubeconfig through which the agent is found"))
    .addOption(new Option("--context <name>", "the context in it"))
    .addOption(new Option("--agent-namespace <name>", "where the agent lives; by default fairlead-system"))
    .configureOutput({
      writeOut: (text) => void context.terminal.out(text),
      writeErr: (text) => context.terminal.err(text),
    })
    .showSuggestionAfterError()
    .configureHelp({ minWidthToWrap: 24, subcommandTerm })
    .addHelpText("afterAll", ({ command }) =>
      command.parent
        ? "\nWhich agent, and by which token: --server, --token, --context and others of `fairlead --help`."
        : "",
    )
    .showHelpAfterError("(`--help` shows the options)")
    .exitOverride();
  const groups: readonly (readonly [heading: string, ...add: ((program: Command, context: CliContext) => void)[]])[] = [
    ["This agent:", addStatusCommands, addNotificationCommands, addDoctorCommand],
    ["Peers:", addInviteCommands, addJoinCommand, addPeerCommands],
    ["What runs at peers:", addAppCommands, addOrphanCommands],
    ["What peers have:", addTargetCommands, addForwardCommand, addConnectionCommands, addKubeconfigCommands],
    ["What peers may do here:", addPolicyCommands, addInboxCommands, addAuditCommands],
    ["Who may use this agent:", addWhoAmICommands, addUserCommands, addTokenCommands],
    ["Programs:", addAgentCommands, addConfigCommands, addImagesCommands, addCompletionCommands],
  ];
  for (const [heading, ...adders] of groups) {
    program.commandsGroup(heading);
    for (const add of adders) add(program, context);
  }
  program.helpCommand("help [command]", "what a command can be told");
  inheritSettings(program);
  return program;
}

/** Commander copies output and exit settings only to commands made after they were set on the same parent. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inheritSettings(child);
  }
}

/** At the top there are so many that a name has to be enough. */
function subcommandTerm(command: Command): string {
  return command.parent?.parent ? new Help().subcommandTerm(command) : command.name();
}

function withoutControls(message: string): string {
  return message.split("\n").map(plain).join("\n");
}
