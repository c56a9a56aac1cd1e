/**
 * The connections of the console's port, which are so many at a time. Where there are as many as there may be, the one goes on which nobody
 * has asked anything for longest: whoever only holds on keeps nobody out, and whoever asked before asks on a new one. Where something is
 * asked on each, the network that has most of them gives its oldest to one that has fewer, so that nobody takes them all.
 */
import type { Socket } from "node:net";
import { networkOf } from "../base/network-of.ts";

/** Of a connection, before its TLS handshake and after. */
export type ClientAddress = Pick<Socket, "remoteAddress" | "remotePort">;

export interface ClientConnections {
  /** Takes one in. False when all others are at work, and no network has more than its own: then it was cut. */
  admit(socket: Socket): boolean;
  /** Something was asked on it. Until the answer is called, or it closes, it is at work. */
  begin(client: ClientAddress): () => void;
}

interface ClientConnection {
  /** A socket that has closed does not know it any more. */
  readonly key: string;
  readonly socket: Socket;
  readonly network: string;
  asked: number;
}

export function createClientConnections(most: number): ClientConnections {
  const all = new Map<string, ClientConnection>();
  /** Those on which nothing is asked, by since when: Sets keep that order. */
  const idle = new Set<ClientConnection>();
  /** All of each network, by age. */
  const networks = new Map<string, Set<ClientConnection>>();

  function forget(connection: ClientConnection): void {
    const { key, network } = connection;
    idle.delete(connection);
    if (all.get(key) === connection) all.delete(key);
    const ofIt = networks.get(network);
    if (ofIt?.delete(connection) && ofIt.size === 0) networks.delete(network);
  }

  /** Which goes for one more of that network. */
  function leastNeeded(network: string): ClientConnection | undefined {
    const [oldestIdle] = idle;
    if (oldestIdle) return oldestIdle;
    let most = new Set<ClientConnection>();
    for (const ofOne of networks.values()) if (ofOne.size > most.size) most = ofOne;
    const [oldest] = most;
    return most.size > (networks.get(network)?.size ?? 0) + 1 ? oldest : undefined;
  }

  return {
    admit(socket) {
      const network = networkOf(socket.remoteAddress ?? "");
      if (all.size >= most) {
        const goes = leastNeeded(network);
        if (!goes) {
          socket.destroy();
          return false;
        }
        forget(goes);
        goes.socket.destroy();
      }
      const connection = { key: clientOf(socket), socket, network, asked: 0 };
      all.set(connection.key, connection);
      networks.set(network, (networks.get(network) ?? new Set()).add(connection));
      idle.add(connection);
      socket.once("close", () => forget(connection));
      return true;
    },
    begin(client) {
      const connection = all.get(clientOf(client));
      if (!connection) return () => undefined;
      connection.asked += 1;
      idle.delete(connection);
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        connection.asked -= 1;
        if (connection.asked === 0 && !connection.socket.destroyed) idle.add(connection);
      };
    },
  };
}

/** Of what is connected, no two have the same. */
export function clientOf({ remoteAddress, remotePort }: ClientAddress): string {
  return `${remoteAddress} ${remotePort}`;
}
