/** `fairlead app restart`, `scale`, `pause` and `resume`: changes of a spec that need no manifest. */
import type { Command } from "commander";
import { type ActOptions, actOnEach, addActOptions, addTargetOptions, chooseApps } from "./app-targets.ts";
import { wholeNumber, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";

export function addAppActs(app: Command, context: CliContext): void {
  addRestart(app, context);
  addScale(app, context);
  addPause(app, context);
  addResume(app, context);
}

function addRestart(app: Command, context: CliContext): void {
  const restart = app.command("restart [names...]").description("make all pods anew, as the app's strategy says");
  addActOptions(addTargetOptions(restart)).action((names: string[], options: ActOptions) =>
    withAgent(restart, context, async (connection, signal) => {
      const targets = await chooseApps(connection, names, options, signal);
      await actOnEach(context.terminal, targets, options, async (ref) => {
        const request = { ref, dryRun: options.dryRun !== undefined };
        return { word: "restarted", app: (await connection.client.apps.restartApp(request, { signal })).app };
      });
    }),
  );
}

function addScale(app: Command, context: CliContext): void {
  const scale = app.command("scale [names...]").description("set the number of replicas");
  addActOptions(addTargetOptions(scale))
    .requiredOption("--replicas <count>", "how many", wholeNumber(0, 1000))
    .option("--current-replicas <count>", "only if there are so many now", wholeNumber(0, 1000))
    .action((names: string[], options: ActOptions & { replicas: number; currentReplicas?: number }) =>
      withAgent(scale, context, async (connection, signal) => {
        const { replicas, currentReplicas } = options;
        const targets = await chooseApps(connection, names, options, signal);
        await actOnEach(context.terminal, targets, options, async (ref) => {
          const dryRun = options.dryRun !== undefined;
          const more = currentReplicas === undefined ? {} : { currentReplicas };
          const answer = await connection.client.apps.scaleApp({ ref, replicas, dryRun, ...more }, { signal });
          return { word: `scaled to ${replicas}`, app: answer.app };
        });
      }),
    );
}

function addPause(app: Command, context: CliContext): void {
  const pause = app.command("pause [names...]").description("let changes of the pods wait until it is resumed");
  addActOptions(addTargetOptions(pause)).action((names: string[], options: ActOptions) =>
    withAgent(pause, context, async (connection, signal) => {
      const targets = await chooseApps(connection, names, options, signal);
      await actOnEach(context.terminal, targets, options, async (ref) => {
        const request = { ref, dryRun: options.dryRun !== undefined };
        const { app, changed } = await connection.client.apps.pauseApp(request, { signal });
        return { word: changed ? "paused" : "already paused", app };
      });
    }),
  );
}

function addResume(app: Command, context: CliContext): void {
  const resume = app.command("resume [names...]").description("let the changes happen that waited");
  addActOptions(addTargetOptions(resume)).action((names: string[], options: ActOptions) =>
    withAgent(resume, context, async (connection, signal) => {
      const targets = await chooseApps(connection, names, options, signal);
      await actOnEach(context.terminal, targets, options, async (ref) => {
        const request = { ref, dryRun: options.dryRun !== undefined };
        const { app, changed } = await connection.client.apps.resumeApp(request, { signal });
        return { word: changed ? "resumed" : "not paused", app };
      });
    }),
  );
}
