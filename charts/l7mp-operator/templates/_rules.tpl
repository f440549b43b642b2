{{/* What it may do in the namespaces that it looks at. */}}
{{- define "l7mp-operator.rules" -}}
- apiGroups: [l7mp.io]
  resources: [virtualservices, targets, routes, rulelists, rules]
  verbs: [get, list, watch]
- apiGroups: [l7mp.io]
  resources: [virtualservices/status, targets/status, routes/status, rulelists/status, rules/status]
  verbs: [get, patch, update]
- apiGroups: [""]
  resources: [pods, services]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways, tcproutes, udproutes, referencegrants]
  verbs: [get, list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways/status, tcproutes/status, udproutes/status]
  verbs: [get, patch, update]
# A proxy and its Service for each Gateway.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [create, patch, delete]
{{- if .Values.global.proxyAuth.enabled }}
# The token, for the proxies of Gateways and of injected pods: it may bring it to a namespace, and read none there.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
{{- end }}
{{- if .Values.gatewayCertificates.enabled }}
# The certificates that Gateways name: each is asked for by its name, and none are listed.
- apiGroups: [""]
  resources: [secrets]
  {{- with .Values.gatewayCertificates.secretNames }}
  resourceNames: {{ toJson . }}
  {{- end }}
  verbs: [get]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- with .Values.rbac.extraRules }}
{{ toYaml . }}
{{- end }}
{{- end }}
