import { totalmem } from "node:os";

/**
 * Bytes that this process may use: what its cgroup allows (memory.max, or memory.limit_in_bytes of version 1, which libuv reads), or all that
 * the machine has where nothing bounds it.
 */
export function memoryLimit(): number {
  const total = totalmem();
  // 0, or more than there is, when nothing bounds it.
  const bound = process.constrainedMemory();
  return bound > 0 && bound < total ? bound : total;
}
