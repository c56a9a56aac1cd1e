/** What an agent without a cluster says of itself to its peers. */
import { availableParallelism, totalmem } from "node:os";

const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

export function standaloneFacts(): Readonly<Record<string, string>> {
  return {
    // By this others know that no app can run there.
    place: "standalone",
    architecture: architectures[process.arch] ?? process.arch,
    system: process.platform,
    cpu: String(availableParallelism()),
    memory: `${Math.floor(totalmem() / 2 ** 20)}Mi`,
    features: "",
  };
}
