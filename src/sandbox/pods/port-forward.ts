/**
 * `pods/<name>/portforward` by WebSocket (`v4.channel.k8s.io`). Each port has two channels, one for bytes and one for
 * errors, and each channel begins with the port's number. The protocol has no half-close. kubectl from 1.31 tunnels SPDY
 * instead, which the sandbox does not speak.
 */
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ApiRequest, Target } from "../api/request.ts";
import { badRequest } from "../status-error.ts";
import { type PodHandlerDeps, podOf } from "./log-handler.ts";
import { acceptWebSocket, agreedProtocol, type WebSocket } from "./websocket.ts";

const protocols = ["v4.channel.k8s.io"];

export function portForward(
  deps: PodHandlerDeps,
  request: ApiRequest,
  target: Target,
  socket: Duplex,
  head: Buffer,
): void {
  agreedProtocol(request, protocols);
  const pod = podOf(deps, target);
  const ports = request.query
    .getAll("ports")
    .flatMap((list) => list.split(","))
    .map(Number);
  if (ports.length === 0 || ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535)) {
    throw badRequest('query parameter "ports" is required: numbers from 1 to 65535');
  }
  if (pod.status?.phase !== "Running") {
    throw badRequest(
      `unable to forward port because pod is not running. Current status=${pod.status?.phase ?? "Unknown"}`,
    );
  }
  acceptWebSocket(request, socket, head, protocols, (webSocket) => {
    const forwards = ports.map((port, index) =>
      openForward(webSocket, index, port, deps.kubelet.localPort(pod.metadata.uid, port), pod.metadata.name),
    );
    return {
      message(data) {
        const [channel = 0] = data;
        const forward = channel % 2 === 0 ? forwards[channel / 2] : undefined;
        return forward ? forward.write(data.subarray(1)) : true;
      },
      closed() {
        for (const forward of forwards) forward.end();
      },
    };
  });
}

interface Forward {
  write(data: Buffer): boolean;
  end(): void;
}

function openForward(
  webSocket: WebSocket,
  index: number,
  port: number,
  local: number | undefined,
  pod: string,
): Forward {
  const dataChannel = Buffer.from([index * 2]);
  const errorChannel = Buffer.from([index * 2 + 1]);
  const number = Buffer.from([port & 0xff, port >> 8]);
  webSocket.send(dataChannel, number);
  webSocket.send(errorChannel, number);
  const fail = (why: string): void => {
    webSocket.send(errorChannel, Buffer.from(`error forwarding port ${port} to pod ${pod}: ${why}`));
    webSocket.close();
  };
  if (local === undefined) {
    fail(`failed to connect to localhost:${port} inside the pod: connection refused`);
    return { write: () => true, end: () => undefined };
  }
  const socket: Socket = connect({ port: local, host: "127.0.0.1", noDelay: true });
  socket.on("data", (chunk: Buffer) => {
    if (webSocket.send(dataChannel, chunk)) return;
    socket.pause();
    webSocket.drained(() => socket.resume());
  });
  socket.on("drain", () => webSocket.resume());
  socket.on("error", (error) => fail(error.message));
  socket.on("close", () => webSocket.close());
  return { write: (data) => socket.write(data), end: () => void socket.destroy() };
}
