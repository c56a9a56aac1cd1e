import { create } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { type Header, HeaderSchema } from "../gen/fairlead/wire/v1/frame_pb.ts";

/** What each header is counted for beyond its name and value, as HTTP/2 does (RFC 9113, 6.5.2). */
const bytesEach = 32;

/** A header that the wire cannot carry: a name or value that HTTP would not allow either. */
export class HeaderError extends Error {
  override readonly name = "HeaderError";
}

/** Bytes of headers as limits count them. */
export function headerBytes(headers: readonly Header[]): number {
  let bytes = 0;
  for (const h of headers) bytes += bytesEach + h.name.length + h.value.length + h.binary.length;
  return bytes;
}

/** For the wire. Values of "-bin" names travel as what their base64 stands for. */
export function writeHeaders(headers: Headers | undefined): Header[] {
  const list: Header[] = [];
  headers?.forEach((value, name) => {
    const binary = name.endsWith("-bin") ? fromBase64(value) : undefined;
    list.push(create(HeaderSchema, binary ? { name, binary } : { name, value }));
  });
  return list;
}

/** From the wire. Throws a {@link HeaderError} that names what is wrong. */
export function readHeaders(list: readonly Header[]): Headers {
  const headers = new Headers();
  for (const { name, value, binary } of list) {
    try {
      headers.append(name, binary.length > 0 ? base64Encode(binary, "std_raw") : value);
    } catch (cause) {
      throw new HeaderError("A header's name or value has characters that HTTP does not allow.", { cause });
    }
  }
  return headers;
}

/** Undefined when the value is not one piece of base64 that would come out the same again. */
function fromBase64(value: string): Uint8Array | undefined {
  if (value.length === 0 || value.includes(",")) return undefined;
  try {
    const bytes = base64Decode(value);
    const again = base64Encode(bytes, "std_raw");
    return value === again || value.replace(/=+$/, "") === again ? bytes : undefined;
  } catch {
    return undefined;
  }
}
