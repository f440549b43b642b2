{{- define "l7mp-ingress.labels" -}}
app: l7mp-ingress
app.kubernetes.io/name: l7mp-ingress
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: l7mp
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- if include "l7mp-ingress.prometheus" . }}
prometheus: enable
{{- end }}
{{- end }}

{{/* Not empty where there are metrics. The chart of l7mp 0.5 had words, `enable` and others, in place of true and false. */}}
{{- define "l7mp-ingress.prometheus" -}}
{{- if has .Values.l7mpProxy.prometheus (list true "enable") }}yes{{ end }}
{{- end }}

{{/* The operator's chart makes a Secret of this name: without it, this one does. */}}
{{- define "l7mp-ingress.tokenSecret" -}}
{{- .Values.global.proxyAuth.existingSecret | default "l7mp-proxy-token" }}
{{- end }}

{{/* The proxies' configuration at their start. The operator adds what custom resources say, and leaves this as it is. */}}
{{- define "l7mp-ingress.configuration" -}}
admin:
  log_level: {{ .Values.l7mpProxy.logLevel }}
  log_file: stdout
  {{- if .Values.global.proxyAuth.enabled }}
  auth:
    tokens:
      - name: operator
        role: admin
        token_file: /etc/l7mp/token/token
  {{- end }}
listeners:
  - name: controller-listener
    spec: { protocol: HTTP, port: 1234 }
    rules:
      - action: { route: { destination: { spec: { protocol: L7mpController } } } }
  {{- if include "l7mp-ingress.prometheus" . }}
  - name: prometheus-listener
    spec: { protocol: HTTP, port: 8080, path: /metrics }
    rules:
      - action: { route: { destination: { spec: { protocol: Prometheus } } } }
  {{- end }}
{{- end }}
