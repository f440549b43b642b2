{{/* Labels of all objects. */}}
{{- define "l7mp-operator.labels" -}}
app.kubernetes.io/name: l7mp-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: l7mp
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app: l7mp-operator
{{- end }}

{{/* What its pods are told by. */}}
{{- define "l7mp-operator.selector" -}}
app: l7mp-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "l7mp-operator.image" -}}
{{- compact (list (.Values.image.repository | trimSuffix "/") .Values.image.name) | join "/" | default "l7mp/l7mp-operator" }}
{{- end }}

{{- define "l7mp-operator.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary "l7mp-operator" "default") }}
{{- end }}

{{/* The namespaces as a JSON list: empty for all of them. */}}
{{- define "l7mp-operator.namespaces" -}}
{{- $given := .Values.namespaces | default list }}
{{- if kindIs "string" $given }}{{ $given = splitList "," $given }}{{ end }}
{{- $names := list }}
{{- range $given }}{{ $names = append $names (trim .) }}{{ end }}
{{- $names | uniq | toJson }}
{{- end }}

{{- define "l7mp-operator.tokenSecret" -}}
{{- .Values.global.proxyAuth.existingSecret | default "l7mp-proxy-token" }}
{{- end }}
