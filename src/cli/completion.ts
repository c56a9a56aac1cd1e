/** `fairlead completion`: what a shell needs to complete command lines, with the names that the agent knows at that moment. */
import { Argument, type Command } from "commander";
import { abortable } from "../base/abort.ts";
import { parseDuration } from "../base/duration.ts";
import { type Asked, type Candidate, complete } from "./complete.ts";
import { type Shell, scriptFor, shells } from "./completion-scripts.ts";
import type { CliContext } from "./context.ts";
import { knownNames, liveNames, takesFiles } from "./live-names.ts";
import { shellWords } from "./shell-words.ts";
import { plain } from "./table.ts";

/** Somebody waits at a keyboard: an agent that has not answered by then completes nothing, unless they said how long. Milliseconds. */
const patienceMs = 1_500;
/** A terminal can show no more. */
const mostCandidates = 500;

export function addCompletionCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  program
    .command("completion")
    .description("print what completes command lines in your shell, with the names that the agent knows")
    .addArgument(new Argument("<shell>", "the shell").choices(shells))
    .addHelpText(
      "after",
      "\n  bash: source <(fairlead completion bash)\n  zsh:  source <(fairlead completion zsh)\n  fish: fairlead completion fish | source\n\nIn ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish it counts for every shell.",
    )
    .action((shell: Shell) => terminal.out(scriptFor(shell)));

  const ask = program.command("__complete", { hidden: true });
  ask
    .command("words")
    .argument("<words...>")
    .action((words: string[]) => answer(words, ""));
  ask
    .command("line")
    .argument("<breaks>")
    .argument("<line>")
    .action((breaks: string, line: string) => {
      const words = shellWords(line).slice(1);
      const last = words.at(-1) ?? "";
      // The shell replaces what stands behind the last of these.
      const at = Math.max(
        ...["=", ":"].filter((mark) => breaks.includes(mark)).map((mark) => last.lastIndexOf(mark)),
        -1,
      );
      return answer(words, last.slice(0, at + 1));
    });

  async function answer(words: readonly string[], standing: string): Promise<void> {
    const { candidates, asked, prefix, typed } = complete(program, words);
    const all = [...candidates, ...(asked ? await namesOf(asked) : [])];
    // One of a list with commas: the last is the one that is being typed.
    const listed = asked?.isOption ? typed.slice(0, typed.lastIndexOf(",") + 1) : "";
    const taken = listed.split(",");
    const lines = all
      .filter(({ word }) => word !== "" && word.startsWith(typed.slice(listed.length)) && !taken.includes(word))
      .slice(0, mostCandidates)
      .map(({ word, about = "" }) => ({ word: `${prefix}${listed}${word}`, about: plain(about).replace(/\s+/g, " ") }))
      .filter(({ word }) => word.startsWith(standing))
      .map(({ word, about }) => `${plain(word.slice(standing.length))}${about && `\t${about}`}\n`);
    const files = asked && takesFiles(asked) ? ":files\n" : "";
    await terminal.out(files + lines.join(""));
  }

  /** Empty when the agent is not found, does not let itself be asked, or does not answer in time. */
  async function namesOf(asked: Asked): Promise<readonly Candidate[]> {
    const known = knownNames(asked);
    if (known) return known;
    const signal = AbortSignal.any([
      context.signal,
      AbortSignal.timeout(parseDuration(terminal.env.FAIRLEAD_COMPLETION_TIMEOUT ?? "") ?? patienceMs),
    ]);
    const { server, token, state, kubeconfig, context: named, agentNamespace } = asked.options;
    try {
      const connecting = context.connect({ server, token, state, kubeconfig, context: named, agentNamespace }, signal);
      const connection = await abortable(connecting, signal);
      try {
        return await abortable(liveNames(asked, connection, signal), signal);
      } finally {
        connection.close();
      }
    } catch {
      return [];
    }
  }
}
