{{- define "fairlead.selector" -}}
app.kubernetes.io/name: fairlead
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "fairlead.labels" -}}
{{ include "fairlead.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Names that are fixed: the command line looks for the Service, and a cluster has one agent. */}}
{{- define "fairlead.tenantRole" -}}fairlead-tenant{{- end }}

{{- define "fairlead.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{/* Where peers reach this agent; empty when it only dials. */}}
{{- define "fairlead.url" -}}
{{- with .Values.link -}}
{{- if .url -}}
{{ .url }}
{{- else if .ingress.enabled -}}
{{ ternary "wss" "ws" (ne .ingress.tlsSecret "") }}://{{ .ingress.host }}/link
{{- else if .route.enabled -}}
{{ ternary "wss" "ws" .route.tls }}://{{ .route.host }}/link
{{- end -}}
{{- end -}}
{{- end }}

{{/* How nodes pull what peers bring along; without a registry's name the agent does not listen. */}}
{{- define "fairlead.images" -}}
host: 0.0.0.0
port: 8003
{{- with .Values.images }}
{{- if .enabled }}
registry: localhost:{{ .nodePort }}
way: {{ ternary "HostPort" "NodePort" .relay.enabled }}
{{- end }}
{{- end }}
{{- end }}

{{/* The agent's configuration file. What the chart must have its way with stands last. */}}
{{- define "fairlead.config" -}}
{{- $own := dict -}}
{{- with .Values.name }}{{ $_ := set $own "name" . }}{{ end -}}
{{- with include "fairlead.url" . }}{{ $_ := set $own "link" (dict "url" .) }}{{ end -}}
{{- $said := dict -}}
{{- with .Values.console.url }}{{ $_ := set $said "url" . }}{{ end -}}
{{- with .Values.console.kubernetes.roles }}{{ $_ := set $said "kubernetes" (dict "roles" .) }}{{ end -}}
{{- with .Values.console.oidc }}{{ if .issuer }}
{{- $_ := set $said "oidc" (dict "issuer" .issuer "clientId" .clientId "roles" .roles) -}}
{{- if .caSecret }}{{ $_ := set $said.oidc "caFile" "/etc/fairlead-oidc-ca/ca.crt" }}{{ end -}}
{{- if .clientSecret }}{{ $_ := set $said.oidc "clientSecretFile" "/etc/fairlead-oidc/client-secret" }}{{ end -}}
{{- end }}{{ end -}}
{{- if $said }}{{ $_ := set $own "console" $said }}{{ end -}}
{{- $console := dict "host" "0.0.0.0" "port" 8000 -}}
{{- if .Values.console.tlsSecret -}}
{{- $_ := set $console "certFile" "/etc/fairlead-console/tls.crt" -}}
{{- $_ := set $console "keyFile" "/etc/fairlead-console/tls.key" -}}
{{- end -}}
{{- $fixed := dict
  "console" $console
  "link" (dict "host" "0.0.0.0" "port" 8001)
  "telemetry" (dict "host" "0.0.0.0" "port" 8002)
  "forwards" (dict "ports" .Values.forwards.ports)
  "images" (include "fairlead.images" . | fromYaml)
  "kube" (dict "namespace" .Release.Namespace "tenantRole" (include "fairlead.tenantRole" .)) -}}
{{- mergeOverwrite (dict) $own .Values.config $fixed | toYaml -}}
{{- end }}
