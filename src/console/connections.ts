/**
 * The connections of the console's port, which are so many at a time. Where there are as many as there may be, the one goes on which nobody
 * has asked anything for longest: whoever only holds on keeps nobody out, and whoever asked before asks on a new one.
 */
import type { Socket } from "node:net";

/** Of what is connected, no two have the same; a connection has it before its TLS handshake and after. */
export type ClientAddress = Pick<Socket, "remoteAddress" | "remotePort">;

export interface Connections {
  /** Takes one in. False when all others are at work: then it was cut. */
  admit(socket: Socket): boolean;
  /** Something was asked on it. Until the answer is called, or it closes, it is at work. */
  begin(client: ClientAddress): () => void;
}

interface Connection {
  /** A socket that has closed does not know it any more. */
  readonly key: string;
  readonly socket: Socket;
  asked: number;
}

export function createConnections(most: number): Connections {
  const all = new Map<string, Connection>();
  /** Those on which nothing is asked, by since when: Sets keep that order. */
  const idle = new Set<Connection>();

  function forget(connection: Connection): void {
    idle.delete(connection);
    if (all.get(connection.key) === connection) all.delete(connection.key);
  }

  return {
    admit(socket) {
      if (all.size >= most) {
        const [oldest] = idle;
        if (!oldest) {
          socket.destroy();
          return false;
        }
        forget(oldest);
        oldest.socket.destroy();
      }
      const connection = { key: keyOf(socket), socket, asked: 0 };
      all.set(connection.key, connection);
      idle.add(connection);
      socket.once("close", () => forget(connection));
      return true;
    },
    begin(client) {
      const connection = all.get(keyOf(client));
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

function keyOf({ remoteAddress, remotePort }: ClientAddress): string {
  return `${remoteAddress} ${remotePort}`;
}
