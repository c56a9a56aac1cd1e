import { createServer, type Server } from "node:net";

/**
 * Three ports of 127.0.0.1 on which nothing listens: `first` and those after it, each replaced by one that the system
 * picks when it is taken. 0 lets the system pick all three.
 */
export async function freePorts(first: number): Promise<[number, number, number]> {
  // Held until all are known, so that none is given twice.
  const held: Server[] = [];
  try {
    const at = (offset: number): number => (first === 0 ? 0 : first + offset);
    return [await take(at(0), held), await take(at(1), held), await take(at(2), held)];
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/** How often others are chosen for those that were taken meanwhile. */
const mostChoices = 5;

/**
 * Starts something on three free ports. Between the choice and the listening somebody else may take one; then others are
 * chosen, and it is started again. So `start` has to leave nothing behind when it fails.
 */
export async function onFreePorts<T>(
  first: number,
  start: (ports: readonly [number, number, number]) => Promise<T>,
): Promise<T> {
  for (let choice = 1; ; choice += 1) {
    const ports = await freePorts(first);
    try {
      return await start(ports);
    } catch (error) {
      if (choice === mostChoices || !isPortTaken(error)) throw error;
    }
  }
}

function isPortTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

async function take(preferred: number, held: Server[]): Promise<number> {
  const server = (await listen(preferred)) ?? (await listen(0));
  if (!server) throw new Error("there is no free port on 127.0.0.1");
  held.push(server);
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : preferred;
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
