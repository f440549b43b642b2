/** What an object is called that was written without a name: by its owner and its place there; made unique when it is taken. */
export const automaticName = {
  rulelist: (listener: string) => `${listener}-RuleList-0`,
  rule: (rulelist: string, position: number) => `${rulelist}-Rule-${position}`,
  route: (rule: string) => `${rule}-Route-0`,
  destination: (route: string) => `${route}-Cluster-0`,
  transform: (route: string, way: 'ingress' | 'egress', position: number) => `${route}-${way}-Cluster-${position}`,
  endpoint: (cluster: string, position: number) => `${cluster}-EndPoint-${position}`,
};
