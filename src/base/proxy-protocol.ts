/** The header of the PROXY protocol, version 2, by which a server learns who connected in the first place (HAProxy's specification). Pure. */
import { isIP, SocketAddress } from "node:net";

/** One end of a TCP connection. */
export interface ConnectionEnd {
  readonly address: string;
  readonly port: number;
}

const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const proxied = 0x21;
/** Whoever speaks speaks for itself, or it is not known for whom. */
const local = 0x20;

/** The header for a connection from `source` to `destination`; for one that has no addresses, such as of a Unix socket, one that says so. */
export function proxyHeader(source: ConnectionEnd | undefined, destination: ConnectionEnd | undefined): Buffer {
  const from = source && bytesOf(source.address);
  const to = destination && bytesOf(destination.address);
  if (!source || !destination || !from || !to || from.length !== to.length) return head(local, 0x00, Buffer.alloc(0));
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  return head(proxied, from.length === 4 ? 0x11 : 0x21, Buffer.concat([from, to, ports]));
}

function head(command: number, family: number, addresses: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(addresses.length);
  return Buffer.concat([signature, Buffer.of(command, family), length, addresses]);
}

/** IPv4 also where it stands in IPv6's clothes, as sockets that listen for both show it. */
function bytesOf(address: string): Buffer | undefined {
  const plain = address.replace(/%.*$/, "");
  const four = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  if (four !== undefined) return isIP(four) === 4 ? Buffer.from(four.split(".").map(Number)) : undefined;
  if (isIP(plain) !== 6) return undefined;
  const [before = "", after] = SocketAddress.parse(`[${plain}]:0`)?.address.split("::") ?? [];
  const groups = (text: string | undefined): string[] => (text ? text.split(":") : []);
  const [first, last] = [groups(before), groups(after)];
  const all = [...first, ...Array<string>(8 - first.length - last.length).fill("0"), ...last];
  const bytes = Buffer.alloc(16);
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  return bytes;
}
