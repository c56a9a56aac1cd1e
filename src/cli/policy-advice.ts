/** What to write so that a peer's apps may run here, for someone who has just granted them and has no policy. Pure. */

/** How kubectl reaches the cluster that the command talked to. */
export interface KubectlOptions {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/**
 * A command line that can be pasted. `taken` are the names of PeerPolicies that there are: none of them is replaced.
 * Without a name of the peer the policy is about all peers.
 */
export function policyAdvice(
  peer: string | undefined,
  { namespace, taken, kubectl }: { namespace: string; taken: readonly string[]; kubectl: KubectlOptions },
): string {
  const wanted = peer ?? "all-peers";
  const name = taken.includes(wanted) ? `${wanted}-apps` : wanted;
  const selector = peer === undefined ? "" : `peers: { names: [${peer}] }, `;
  return `${kubectlCommand(kubectl)} apply -f - <<'EOF'
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${selector}workloads: { accept: true } }
EOF
`;
}

/** How to edit a policy that there is. */
export function editAdvice(
  name: string,
  { namespace, kubectl }: { namespace: string; kubectl: KubectlOptions },
): string {
  return `${kubectlCommand(kubectl)} -n ${namespace} edit peerpolicy ${name}`;
}

function kubectlCommand({ kubeconfig, context }: KubectlOptions): string {
  const file = kubeconfig === undefined ? [] : [`--kubeconfig ${quoted(kubeconfig)}`];
  return ["kubectl", ...file, ...(context === undefined ? [] : [`--context ${quoted(context)}`])].join(" ");
}

/** As a POSIX shell reads it. */
function quoted(word: string): string {
  return /^[\w./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
