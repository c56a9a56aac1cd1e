/** Makes a server listen at a place, or says in words for people why it cannot. */
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, type Server } from "node:net";
import { whyNoListening } from "../base/cannot-listen.ts";
import { CliError, exitCode } from "./errors.ts";
import type { ListenPlace } from "./listen-place.ts";

/** Connections that wait to be taken; programs open hundreds in one go. */
const backlog = 4_096;

/** Resolves with the place as it is then, its port by number. */
export async function listenAt(server: Server, place: ListenPlace): Promise<string> {
  const shown = "path" in place ? place.path : addressText(place.host, place.port);
  try {
    if ("path" in place) await removeLeftSocket(place.path);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ ...place, backlog }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    // Who may come to it is who may write to it.
    if ("path" in place) chmodSync(place.path, 0o600);
  } catch (cause) {
    throw cannotListen(shown, cause);
  }
  const at = server.address();
  return at && typeof at === "object" ? addressText(at.address, at.port) : shown;
}

/** Says why nothing can listen there. */
export function cannotListen(place: string, cause: unknown): CliError {
  return new CliError(`${place} cannot be listened on: ${whyNoListening(cause)}`, { code: exitCode.usage, cause });
}

export function addressText(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** A socket that nobody listens at any more was left by a program that was killed. Never anything else than a socket. */
async function removeLeftSocket(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  const alive = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => resolve(true));
    socket.once("error", (error) => resolve(!("code" in error && error.code === "ECONNREFUSED")));
    socket.once("connect", () => socket.destroy());
  });
  if (!alive) unlinkSync(path);
}
