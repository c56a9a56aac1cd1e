/** What a page shows or does, as lines that somebody can run elsewhere. Pure. */

export interface CodeLine {
  /** Where it runs: "kubectl", "fairlead", "buf curl", "link". */
  readonly tool: string;
  readonly line: string;
}

/** Of one app. */
export function appAsCode(namespace: string, name: string, origin: string): CodeLine[] {
  const ref = JSON.stringify({ ref: { namespace, name } });
  return [
    { tool: "fairlead", line: `fairlead app get ${name} -n ${namespace}` },
    { tool: "kubectl", line: `kubectl get remoteapp ${name} -n ${namespace} -o yaml` },
    {
      tool: "buf curl",
      line: `buf curl -H "Authorization: Bearer $token" -d '${ref}' ${origin}/fairlead.console.v1.AppService/GetApp`,
    },
    { tool: "link", line: `${origin}/apps?app=${encodeURIComponent(`${namespace}/${name}`)}` },
  ];
}

/** Of a list of apps, as far as its filter can be said there. */
export function appsAsCode(view: { phase: string; peer: string; namespace: string }, origin: string): CodeLine[] {
  const { phase, peer, namespace } = view;
  const fields = Object.entries({ phase, peer }).flatMap(([name, value]) => (value === "" ? [] : [`${name}=${value}`]));
  const selector = fields.length > 0 ? ` --field-selector ${fields.join(",")}` : "";
  const where = namespace === "" ? "-A" : `-n ${namespace}`;
  const request = JSON.stringify({
    ...(namespace !== "" && { namespace }),
    ...(fields.length > 0 && { fieldSelector: fields.join(",") }),
  });
  return [
    { tool: "fairlead", line: `fairlead app list ${where}${selector}` },
    { tool: "kubectl", line: `kubectl get remoteapps ${where}` },
    {
      tool: "buf curl",
      line: `buf curl -H "Authorization: Bearer $token" -d '${request}' ${origin}/fairlead.console.v1.AppService/ListApps`,
    },
  ];
}
