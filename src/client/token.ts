import type { Transport } from "@connectrpc/connect";

/** The same transport, with `Authorization: Bearer …` on every call. */
export function withToken(transport: Transport, token: string): Transport {
  const authorise = (header: ConstructorParameters<typeof Headers>[0]): Headers => {
    const headers = new Headers(header);
    headers.set("authorization", `Bearer ${token}`);
    return headers;
  };
  return {
    unary: (method, signal, timeoutMs, header, input, contextValues) =>
      transport.unary(method, signal, timeoutMs, authorise(header), input, contextValues),
    stream: (method, signal, timeoutMs, header, input, contextValues) =>
      transport.stream(method, signal, timeoutMs, authorise(header), input, contextValues),
  };
}
