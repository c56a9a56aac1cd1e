/** What of Kubernetes' kinds of volumes an app may have: what it brings along, or what is empty. */

/** All others reach what is the host's or another's, or make what nobody counts. */
export const volumeKinds: readonly string[] = [
  "emptyDir",
  "configMap",
  "secret",
  "downwardAPI",
  "projected",
  "persistentVolumeClaim",
];

/** Of what a projected volume is made. A token of a service account is no app's, nor are certificates that this cluster gives out. */
export const projectedKinds: readonly string[] = ["configMap", "secret", "downwardAPI"];
