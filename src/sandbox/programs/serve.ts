/**
 * What the sandbox's listening programs share: they serve on free loopback ports, one for each container port that they
 * were given, tell the sandbox which, and end when it does.
 */
import { createServer, type RequestListener, type Server } from "node:http";

export async function serve(onRequest: RequestListener): Promise<Server[]> {
  const listening: Record<string, number> = {};
  const servers: Server[] = [];
  for (const port of (process.env.SANDBOX_PORTS ?? "8080").split(",")) {
    const server = createServer({ keepAliveTimeout: 65_000 }, onRequest);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address && typeof address === "object") listening[port] = address.port;
    servers.push(server);
    console.log(`listening on port ${port}`);
  }
  process.send?.({ listening });
  endWithParent();
  return servers;
}

/** The channel to the sandbox closes when the sandbox ends, however it ends. */
export function endWithParent(): void {
  process.on("disconnect", () => process.exit(0));
  process.on("SIGTERM", () => {
    console.log("terminating");
    process.exit(0);
  });
}
