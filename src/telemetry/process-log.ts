/** What Node would say of the process in words of its own, on standard error, goes to the log: one line, with secrets masked. */
import type { EventEmitter } from "node:events";
import type { Log } from "../base/log.ts";

/**
 * From now on a defect that nobody caught is logged and ends the process by `exit`, since nobody knows what it left half
 * done; Node's warnings are logged in place of being printed.
 */
export function logProcess(process: EventEmitter, log: Log, exit: () => void): void {
  const end = (defect: unknown, msg: string): void => {
    // What is no error stands under a neutral name, so that the names of its fields decide what is masked.
    log.error(defect instanceof Error ? { err: defect } : { thrown: defect }, msg);
    exit();
  };
  process.on("uncaughtException", (error: unknown) => end(error, "a defect that nobody caught ends the agent"));
  process.on("unhandledRejection", (reason: unknown) => end(reason, "a rejection that nobody caught ends the agent"));
  process.removeAllListeners("warning"); // Node's own prints.
  process.on("warning", (warning: Error) => log.warn({ err: warning }, "Node.js warns"));
}
