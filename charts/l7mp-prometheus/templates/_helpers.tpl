{{/* Labels of the objects of a component: (list . "name"). */}}
{{- define "l7mp-prometheus.labels" -}}
{{- $root := index . 0 -}}
app: {{ index . 1 }}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: l7mp
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{- define "l7mp-prometheus.metadata" -}}
name: {{ index . 1 }}
namespace: {{ (index . 0).Values.namespace }}
labels:
  {{- include "l7mp-prometheus.labels" . | nindent 2 }}
{{- end }}

{{/* Of pods that need nothing of the node. */}}
{{- define "l7mp-prometheus.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65534
runAsGroup: 65534
fsGroup: 65534
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "l7mp-prometheus.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The type of a Service by its node port: (list . "grafana"). */}}
{{- define "l7mp-prometheus.serviceType" -}}
{{- if index (index . 0).Values.nodePorts (index . 1) }}NodePort{{ else }}ClusterIP{{ end }}
{{- end }}

{{- define "l7mp-prometheus.nodePort" -}}
{{- with index (index . 0).Values.nodePorts (index . 1) }}
nodePort: {{ . }}
{{- end }}
{{- end }}
