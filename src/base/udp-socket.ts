/** A socket of UDP that speaks with one address, as a pipe of datagrams. */
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { DatagramPipe } from "./datagram-pipe.ts";

/** Bytes that may wait for the system to take them; what comes then is dropped, as on every line that is too slow. */
const mostWaiting = 256 * 1024;

/**
 * Resolves at once with a socket that sends to this address and takes from no other; UDP asks nobody. That nothing listens there is told
 * later, by the system (ECONNREFUSED), and ends the pipe. `address` is one, and no name. Rejects with the system's error, or the signal's reason.
 */
export async function connectUdp(address: string, port: number, signal: AbortSignal): Promise<DatagramPipe> {
  signal.throwIfAborted();
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  try {
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      socket.once("error", reject);
      // With a callback, Node tells it what it would emit as an error else.
      socket.connect(port, address, (error?: Error) => {
        signal.removeEventListener("abort", onAbort);
        socket.off("error", reject);
        if (error) reject(error);
        else resolve();
      });
    });
  } catch (error) {
    socket.on("error", () => undefined).close();
    throw error;
  }
  return pipeOf(socket);
}

function pipeOf(socket: Socket): DatagramPipe {
  const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
  let over = false;
  const close = (error?: Error): void => {
    if (over) return;
    over = true;
    socket.close(() => resolve(error));
  };
  socket.on("error", close);
  return {
    send(payload) {
      if (over || socket.getSendQueueSize() + payload.length > mostWaiting) return false;
      // One that is longer than the line takes is lost, as anywhere; that nobody listens ends it.
      socket.send(payload, (error) => {
        if (error && !isOfOne(error)) close(error);
      });
      return true;
    },
    listen: (listener) => void socket.removeAllListeners("message").on("message", listener),
    closed,
    close,
  };
}

/** Whether it says something of the one datagram, and nothing of the next. */
function isOfOne(error: Error): boolean {
  return "code" in error && (error.code === "EMSGSIZE" || error.code === "ENOBUFS" || error.code === "EPERM");
}
