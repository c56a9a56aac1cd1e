/** An object in a person's editor. What is refused comes back to them with the reason; nothing they wrote is lost. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Terminal } from "./context.ts";
import { CliError, exitCode, toCliError } from "./errors.ts";
import { plain } from "./table.ts";

/** What is edited. */
export interface Edited<Seen, Answer> {
  /** As in "an app", and the name of the file that the person sees. */
  readonly noun: string;
  readonly file: string;
  /** As it is now. */
  read(): Promise<Seen>;
  /** What of it is a person's to change, as YAML. */
  editable(seen: Seen): string;
  /** Takes the text for what was seen. Rejects with ABORTED when that has changed, and as a usage error for what can be mended. */
  write(text: string, seen: Seen): Promise<Answer>;
  /** The command that takes the text from this file, for who gives up. */
  again(file: string): string;
}

/** Undefined when the person saves nothing, or nothing else than was there. */
export async function editUntilTaken<Seen, Answer>(
  terminal: Pick<Terminal, "editText" | "keepText">,
  edited: Edited<Seen, Answer>,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  let seen = await edited.read();
  let text = edited.editable(seen);
  let trouble: CliError | undefined;
  /** Somebody else has changed it: the text may be right, and only has to be meant. */
  let isStale = false;
  for (;;) {
    const advice = isStale
      ? "Save to have your text count over that; empty it to give up."
      : "Mend it and save; leave it as it is to give up.";
    const written = await terminal.editText(edited.file, headed(edited.noun, text, trouble?.message, advice));
    signal.throwIfAborted();
    const body = written.replace(/^(#.*\n)*/, "");
    const isSame = body.trim() === text.trim();
    if (body.trim() === "" || (isSame && !isStale)) {
      if (!trouble) return undefined;
      throw await givenUp(terminal, edited, text, trouble);
    }
    text = body;
    try {
      return await edited.write(written, seen);
    } catch (error) {
      trouble = toCliError(error, signal.aborted);
      isStale = error instanceof ConnectError && error.code === Code.Aborted;
      if (isStale) {
        seen = await edited.read();
        trouble = new CliError(`${trouble.message}; what is there now:\n${edited.editable(seen).trimEnd()}`);
      } else if (trouble.code !== exitCode.usage) throw await givenUp(terminal, edited, text, trouble);
    }
  }
}

/** With what there is to say above it, each line a comment. */
function headed(noun: string, text: string, trouble: string | undefined, advice: string): string {
  const said =
    trouble === undefined
      ? [`Save to change the ${noun}; leave it as it is, or empty, to change nothing.`]
      : ["This was refused:", ...trouble.split("\n").map(plain), advice];
  return `${said.map((line) => `# ${line}`.trimEnd()).join("\n")}\n${text}`;
}

/** The failure, with where the person's text is. */
async function givenUp(
  terminal: Pick<Terminal, "keepText">,
  { file, again }: Pick<Edited<unknown, unknown>, "file" | "again">,
  text: string,
  { message, code }: CliError,
): Promise<CliError> {
  const kept = await terminal.keepText(file, text);
  return new CliError(message, { code, hint: `your text is in ${kept}; ${again(kept)}` });
}
