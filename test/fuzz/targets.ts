import type { TestContext } from "node:test";
import { createConsoleTarget } from "./console-target.ts";
import { createDoorTarget } from "./door-target.ts";
import { createFramesTarget } from "./frames-target.ts";
import { createSessionTarget } from "./session-target.ts";
import type { Target } from "./target.ts";

/** All targets by name. One at a time: some of them take the process's randomness into their hands. */
export const targets: Readonly<Record<string, (t: Pick<TestContext, "after">) => Promise<Target>>> = {
  frames: () => createFramesTarget(),
  "session-high": () => createSessionTarget("high", false),
  "session-low": () => createSessionTarget("low", false),
  "resume-high": () => createSessionTarget("high", true),
  "resume-low": () => createSessionTarget("low", true),
  stranger: (t) => createDoorTarget(t, "stranger"),
  console: () => createConsoleTarget(),
  guest: (t) => createDoorTarget(t, "guest"),
};
