/** The cluster's DNS service, where kubeadm has it: it knows its own name, which is what programs on the node ask for. */
import type { Cluster } from './cluster.ts';
import { routeService } from './node.ts';
import { CLUSTER_DNS } from './pod.ts';

export const DNS_NAME = 'kube-dns.kube-system.svc.cluster.local';

const MANIFEST = `
apiVersion: v1
kind: Pod
metadata:
  name: kube-dns
  namespace: kube-system
  labels: { k8s-app: kube-dns }
spec:
  dnsPolicy: Default
  terminationGracePeriodSeconds: 1
  containers:
    - name: dns
      image: debian
      command: [dnsmasq, --keep-in-foreground, --no-resolv, --no-hosts, --user=root, --pid-file=]
      args: [--address=/${DNS_NAME}/${CLUSTER_DNS}]
      readinessProbe: { tcpSocket: { port: 53 } }
---
apiVersion: v1
kind: Service
metadata:
  name: kube-dns
  namespace: kube-system
spec:
  clusterIP: ${CLUSTER_DNS}
  selector: { k8s-app: kube-dns }
  ports:
    - { name: dns, port: 53, protocol: UDP }
    - { name: dns-tcp, port: 53, protocol: TCP }
`;

export async function installDns(cluster: Cluster): Promise<void> {
  await cluster.apply(MANIFEST);
  const pod = await cluster.readyPod('kube-dns', 'kube-system');
  if (pod.network) routeService(CLUSTER_DNS, pod.network, pod.address);
}
