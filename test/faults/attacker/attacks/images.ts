/** Other ways to write an image, past the rules about images. */
import type { Attack } from "../attack.ts";
import { ownApp } from "../attack.ts";
import { trySpecs } from "../attempts.ts";

const digest = `sha256:${"a".repeat(64)}`;

/** By how they are written. */
function specs(images: readonly string[]): Record<string, { image: string; replicas: number }> {
  return Object.fromEntries(images.map((image) => [JSON.stringify(image), { image, replicas: 0 }]));
}

function all(images: readonly string[], outcome: string | RegExp): Record<string, string | RegExp> {
  return Object.fromEntries(images.map((image) => [JSON.stringify(image), outcome]));
}

const notAllowed = [
  "nginx-evil",
  "nginx.evil.example/nginx",
  "docker.io/library/nginx-evil:1.27",
  "evil/nginx",
  "docker.io/evil/nginx:1.27",
  "registry.example.org.evil.example/shop/web:1",
  "registry.example.org:5000/shop/web:1",
  "registry.example.org/shop/deep/web:1",
  "registry.example.org/shop-evil/web:1",
  "localhost/nginx",
  "registry.example.org:99999999/shop/web:1",
  "[::1]:5000/nginx",
  `nginx:1.27@${digest}`,
] as const;

const noReference = [
  "registry.example.org./shop/web:1",
  "docker.io/../evil",
  "docker.io/library/../evil",
  "../nginx",
  "/nginx",
  "nginx/",
  "docker.io//nginx",
  "NGINX",
  "docker.io/Library/nginx",
  "nginx@sha256:bad",
  `nginx@sha256:${"A".repeat(64)}`,
  "nginx:",
  "nginx:tag:tag",
  "nginx:../x",
  "nginx@",
  "nginx%2f..%2fevil",
  "nginx\\evil",
  "nginx\u0000",
  "nginx\u001b[31m",
  "nginх",
  "nginx:1.27?x=1",
  "https://docker.io/nginx",
] as const;

const denied = [
  "docker.io/library/alpine",
  "alpine",
  "alpine:3",
  "index.docker.io/library/alpine",
  "index.docker.io/alpine",
  "docker.io/alpine",
  `alpine@${digest}`,
  `docker.io/library/alpine:3@${digest}`,
] as const;

const allowed = [
  "nginx:1.27",
  "docker.io/library/nginx:1.27",
  "index.docker.io/library/nginx:1.27",
  "registry.example.org/shop/web:1",
] as const;

export const imageAttacks: readonly Attack[] = [
  {
    name: "no other way to write an image passes by the rules about images",
    who: "peer",
    tries:
      "Writes images so that a pattern seems to fit or a denied one seems another: `nginx-evil`, `docker.io/../evil`, aliases of Docker's registry, upper case, ports, trailing dots, a tag with a digest, look-alike letters.",
    stops:
      "A reference is parsed as the runtime parses it and compared part by part; what is no reference is refused; a denial counts before what is allowed.",
    async attempt(ground) {
      await ground.policy({
        workloads: {
          accept: true,
          images: ["nginx:1.27", "alpine", "registry.example.org/shop/*"],
          deniedImages: ["docker.io/library/alpine"],
        },
      });
      return trySpecs(
        ground.mallory,
        specs([...notAllowed, ...noReference, ...denied, ...allowed, " nginx:1.27", "nginx :1.27", ""]),
      );
    },
    expect: {
      ...all(notAllowed, "Denied images/not-allowed"),
      ...all(noReference, "Denied images/invalid"),
      ...all(denied, "Denied images/denied"),
      ...all(allowed, "runs"),
      ...all([" nginx:1.27", "nginx :1.27"], "Invalid string.pattern"),
      '""': /^Invalid string\./,
    },
    audit: [
      { action: "app.admit", verdict: "denied", rule: "images/not-allowed" },
      { action: "app.admit", verdict: "denied", rule: "images/invalid" },
    ],
    leaves: ownApp,
  },
  {
    name: "an image without a digest does not run where digests are asked for, however it is written",
    who: "peer",
    tries:
      "Names a tag where a digest is required: with a digest of another algorithm, a short one, or one in capitals.",
    stops: "A digest is `sha256` and 64 small hex digits, or there is none.",
    async attempt(ground) {
      await ground.policy({ workloads: { accept: true, requireDigest: true } });
      const images = [
        "nginx",
        "nginx:latest",
        "nginx@md5:abc",
        "nginx@sha256:abc",
        `nginx@${digest.toUpperCase()}`,
        `nginx@${digest}`,
        `nginx:1.27@${digest}`,
      ];
      return trySpecs(ground.mallory, specs(images));
    },
    audit: [{ action: "app.admit", verdict: "denied", rule: "images/digest" }],
    expect: {
      ...all(["nginx", "nginx:latest"], "Denied images/digest"),
      ...all(["nginx@md5:abc", "nginx@sha256:abc", `nginx@${digest.toUpperCase()}`], "Denied images/invalid"),
      ...all([`nginx@${digest}`, `nginx:1.27@${digest}`], "runs"),
    },
    leaves: ownApp,
  },
];
