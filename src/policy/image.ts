/**
 * Image references as the container runtime understands them. Pure. The grammar and the defaults are those of
 * github.com/distribution/reference: what looks alike to a person and is not the same image never becomes the same here, and
 * what is the same image under several names always does.
 */

/** A reference with everything that is left out filled in. */
export interface Image {
  /** Host and port, such as `docker.io`, `registry.example.org:5000` or `[2001:db8::1]:5000`. */
  readonly registry: string;
  /** The path in it, such as `library/nginx`. */
  readonly repository: string;
  /** `latest` when neither a tag nor a digest is given. With a digest the runtime pays no heed to it. */
  readonly tag?: string;
  /** `sha256:` and 64 hexadecimal digits, or `sha384:`, `sha512:` and more. */
  readonly digest?: string;
}

const mostChars = 1_024;
/** As the reference implementation bounds it. */
const mostPathChars = 255;

const pathPart = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const domainPart = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const registryName = new RegExp(`^(?:${domainPart}(?:\\.${domainPart})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const tagName = /^\w[\w.-]{0,127}$/;
/** In hexadecimal digits; of other algorithms runtimes know nothing. */
const digestLengths: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** Undefined for what the container runtime would refuse too. */
export function parseImage(reference: string): Image | undefined {
  if (reference.length > mostChars) return undefined;
  const at = reference.indexOf("@");
  const digest = at < 0 ? undefined : reference.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) return undefined;
  const { name, tag } = splitTag(at < 0 ? reference : reference.slice(0, at));
  if (tag !== undefined && !tagName.test(tag)) return undefined;
  const place = placeOf(name);
  if (!place || isLocalId(name, tag)) return undefined;
  if (!isRegistry(place.registry) || !isRepository(place.repository)) return undefined;
  if (place.repository.length > mostPathChars) return undefined;
  const effectiveTag = tag ?? (digest === undefined ? "latest" : undefined);
  return {
    ...place,
    ...(effectiveTag === undefined ? {} : { tag: effectiveTag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/**
 * Whether the runtime would take it for the id of an image that the node has already, whoever brought it there: 64
 * hexadecimal digits, or `sha256:` and some of them, which looks like an image of the name `sha256` with a tag.
 */
function isLocalId(name: string, tag: string | undefined): boolean {
  return /^[a-f0-9]{64}$/.test(name) || (tag !== undefined && Object.hasOwn(digestLengths, name));
}

/** The whole reference, such as `docker.io/library/nginx:1.27`: equal exactly for references to the same image. */
export function formatImage({ registry, repository, tag, digest }: Image): string {
  return `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** The reference in full; as it is when it is none. */
export function normaliseImage(reference: string): string {
  const image = parseImage(reference);
  return image ? formatImage(image) : reference;
}

/** A colon after the last slash begins a tag; one before it belongs to the registry's port. */
export function splitTag(text: string): { name: string; tag?: string } {
  const colon = text.lastIndexOf(":");
  if (colon <= text.lastIndexOf("/")) return { name: text };
  return { name: text.slice(0, colon), tag: text.slice(colon + 1) };
}

/**
 * Which registry is meant, and the path in it. The first part of a path is a registry if it could be no user's name: it has
 * a dot, a colon or an upper-case letter, or is `localhost`. Without one Docker's is meant, and there `library` without a user.
 */
export function placeOf(name: string): { registry: string; repository: string } | undefined {
  if (name === "") return undefined;
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isPlace = slash >= 0 && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  const registry = isPlace ? first : "docker.io";
  const rest = isPlace ? name.slice(slash + 1) : name;
  if (registry === "docker.io" || registry === "index.docker.io") {
    return { registry: "docker.io", repository: rest.includes("/") ? rest : `library/${rest}` };
  }
  return { registry, repository: rest };
}

function isRepository(path: string): boolean {
  return path.split("/").every((part) => pathPart.test(part));
}

export function isRegistry(text: string): boolean {
  return registryName.test(text);
}

export function isDigest(text: string): boolean {
  const [algorithm = "", hex = "", ...more] = text.split(":");
  return more.length === 0 && hex.length === digestLengths[algorithm] && /^[0-9a-f]+$/.test(hex);
}
