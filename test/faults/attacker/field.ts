/**
 * The process in which the attacks take place: it builds the ground, carries out each attack whose name it is sent, and says
 * how it went. Apart from the test's own process because Node's test runner follows every promise, which makes floods slow.
 */
import { attacks } from "./attacks.ts";
import { startGround } from "./ground.ts";
import { hold } from "./hold.ts";

const { ground, close } = await startGround();

process.on("message", (name) => {
  if (name === "close") void close().then(() => process.disconnect());
  else if (name === "audit")
    void ground.host.client.audit.verifyAudit({}).then((found) => process.send?.(found.problems.join("; ")));
  else void carryOut(String(name)).then((error) => process.send?.(error ?? ""));
});
process.send?.("ready");

/** What went wrong, if anything. */
async function carryOut(name: string): Promise<string | undefined> {
  const attack = attacks.find((one) => one.name === name);
  if (!attack) return `There is no attack called "${name}".`;
  try {
    await hold(ground, attack);
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
