/** `fairlead app edit`: a RemoteApp in a person's editor. What is refused comes back to them with the reason; nothing they wrote is lost. */
import { toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Command } from "commander";
import { stringify } from "yaml";
import type { FairleadClient } from "../client/index.ts";
import type { App, EditAppResponse } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { RemoteAppSpecSchema } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { readManifests } from "./app-manifest.ts";
import { type ActOptions, type AppName, actOnEach, addActOptions, plainName } from "./app-targets.ts";
import { namespaceOption, withAgent } from "./command.ts";
import type { CliContext, Terminal } from "./context.ts";
import { CliError, exitCode, toCliError } from "./errors.ts";
import { plain } from "./table.ts";

export function addAppEdit(app: Command, context: CliContext): void {
  const { terminal } = context;
  const edit = app.command("edit <name>").description("change an app in your editor");
  addActOptions(edit.addOption(namespaceOption())).action((given: string, options: ActOptions) =>
    withAgent(edit, context, async ({ client, namespace: ours }, signal) => {
      const ref = { namespace: options.namespace ?? ours, name: plainName(given) };
      await actOnEach(terminal, [ref], options, async () => {
        const answer = await untilTaken(client, terminal, ref, options.dryRun !== undefined, signal);
        if (!answer) return { word: "not edited", note: "nothing was changed" };
        return { word: answer.changed ? "edited" : "unchanged", app: answer.app };
      });
    }),
  );
}

/** Undefined when the person saves nothing, or nothing else than was there. */
async function untilTaken(
  client: FairleadClient,
  terminal: Pick<Terminal, "editText" | "keepText">,
  ref: AppName,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<EditAppResponse | undefined> {
  let seen = await read(client, ref, signal);
  let text = editable(seen);
  let trouble: CliError | undefined;
  /** Somebody else has changed it: the text may be right, and only has to be meant. */
  let isStale = false;
  for (;;) {
    const advice = isStale
      ? "Save to have your text count over that; empty it to give up."
      : "Mend it and save; leave it as it is to give up.";
    const written = await terminal.editText(`${ref.name}.yaml`, headed(text, trouble?.message, advice));
    signal.throwIfAborted();
    const body = written.replace(/^(#.*\n)*/, "");
    const isSame = body.trim() === text.trim();
    if (body.trim() === "" || (isSame && !isStale)) {
      if (!trouble) return undefined;
      throw await givenUp(terminal, ref, text, trouble);
    }
    text = body;
    try {
      const request = { ref, uid: seen.metadata?.uid ?? "", generation: seen.metadata?.generation ?? 0n, dryRun };
      return await client.apps.editApp({ ...request, ...parse(written, ref) }, { signal });
    } catch (error) {
      trouble = toCliError(error, signal.aborted);
      isStale = error instanceof ConnectError && error.code === Code.Aborted;
      if (isStale) {
        seen = await read(client, ref, signal);
        trouble = new CliError(`${trouble.message}; what is there now:\n${editable(seen).trimEnd()}`);
      } else if (trouble.code !== exitCode.usage) throw await givenUp(terminal, ref, text, trouble);
    }
  }
}

async function read(client: FairleadClient, ref: AppName, signal: AbortSignal): Promise<App> {
  const { app } = await client.apps.getApp({ ref }, { signal });
  if (app) return app;
  throw new CliError(`the agent answered without ${ref.name}`);
}

/** What of the app is a person's to change, as YAML. */
function editable({ metadata, spec }: App): string {
  const annotations = Object.entries(metadata?.annotations ?? {}).filter(([key]) => !key.startsWith("fairlead.dev/"));
  const labels = metadata?.labels ?? {};
  const object = {
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "RemoteApp",
    metadata: {
      namespace: metadata?.namespace ?? "",
      name: metadata?.name ?? "",
      ...(Object.keys(labels).length > 0 && { labels }),
      ...(annotations.length > 0 && { annotations: Object.fromEntries(annotations) }),
    },
    ...(spec && { spec: toJson(RemoteAppSpecSchema, spec) }),
  };
  return stringify(object, { lineWidth: 0 });
}

/** With what there is to say above it, each line a comment. */
function headed(text: string, trouble: string | undefined, advice: string): string {
  const said =
    trouble === undefined
      ? ["Save to change the app; leave it as it is, or empty, to change nothing."]
      : ["This was refused:", ...trouble.split("\n").map(plain), advice];
  return `${said.map((line) => `# ${line}`.trimEnd()).join("\n")}\n${text}`;
}

function parse(written: string, { namespace, name }: AppName) {
  const [manifest, ...more] = readManifests(written, "your text", namespace);
  if (!manifest || more.length > 0) throw new CliError("the text holds one RemoteApp", { code: exitCode.usage });
  if (manifest.ref.name !== name || manifest.ref.namespace !== namespace) {
    throw new CliError(`the name and the namespace stay ${namespace}/${name}`, { code: exitCode.usage });
  }
  const { spec, labels, annotations } = manifest;
  return { spec, labels, annotations };
}

/** The failure, with where the person's text is. */
async function givenUp(
  terminal: Pick<Terminal, "keepText">,
  { name }: AppName,
  text: string,
  { message, code }: CliError,
): Promise<CliError> {
  const file = await terminal.keepText(`${name}.yaml`, text);
  return new CliError(message, { code, hint: `your text is in ${file}; fairlead app deploy -f ${file}` });
}
