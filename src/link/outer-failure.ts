import { errorText } from "../base/error-text.ts";

/**
 * That the outer TLS with a host failed, why, and what to try. The settings are named as the configuration names them, for
 * whoever reads this has to change one. Pure.
 */
export function describeOuterTlsFailure(host: string, cause: unknown): string {
  return `The outer TLS with ${host} failed: ${reasonOf(cause)}. ${whatToTry(cause)}`;
}

function whatToTry(cause: unknown): string {
  const orNot = "or set link.insecure to take any certificate: the TLS inside still proves who the peer is.";
  const code = String(property(cause, "code") ?? "");
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const names = property(property(cause, "cert"), "subjectaltname");
    const listed = typeof names === "string" ? ` (${names.slice(0, 200)})` : "";
    return `Dial a name that the certificate is for${listed}, ${orNot}`;
  }
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return `Renew the certificate, or set the clock right, ${orNot}`;
  }
  if (aboutTrust.test(code)) return `Name a file with the root that signed the certificate by link.caFile, ${orNot}`;
  return "Does that port speak TLS? If it does not, the URL begins with ws:// (http:// for a proxy).";
}

/** Node's names of what OpenSSL finds wrong with a chain. Names that begin with ERR_ are of other things. */
const aboutTrust = /^(?!ERR_).*(CERT|ISSUER|SIGNATURE|CRL|_CA$|PURPOSE)/;

/** In one line: OpenSSL's own errors have a message that says where in its source they arose. */
function reasonOf(cause: unknown): string {
  const reason = property(cause, "reason");
  const code = String(property(cause, "code") ?? "");
  return code.startsWith("ERR_SSL_") && typeof reason === "string" ? reason : errorText(cause);
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
